"""What lines come to for the customer, tax included: credit that they settle, and what they gave back."""

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from billing.domain.tax import TaxDecision
from billing.models import CreditSetOff, Invoice, InvoiceLine, LineKind
from billing.selectors.invoicing.in_force import IS_GIVEN_UP, IS_GONE


def credit_of(line: InvoiceLine) -> int:
    """Return what a carry line adds to the customer's credit, or takes off it, tax included.

    On invoices from before lines bore their tax, credit was taken off before tax: there it is worth its tax, too.
    """
    tax = line.tax
    return line.amount_minor + (0 if tax is None else tax.amount_minor(line.amount_minor, line.invoice.currency))


def customers_again(invoice: Invoice) -> int:
    """Return what an invoice that is not in force had used or given back, and what is the customer's again.

    That is the credit that it used, what it gave back of lines on other documents that were paid, and what staff
    credited on it; tax included.
    """
    lines = InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision).select_related("invoice")
    used_minor = -sum(credit_of(line) for line in lines.filter(kind=LineKind.CARRY))
    own = [invoice.pk, invoice.original_id or invoice.pk]
    paid_for = InvoiceLine.objects.exclude(IS_GONE | IS_GIVEN_UP).exclude(invoice__in=own)
    bases: dict[TaxDecision, int] = defaultdict(int)
    given = Q(adjusts__in=paid_for) | Q(kind=LineKind.ONE_OFF)
    for line in lines.filter(given, amount_minor__lt=0):
        assert line.tax is not None, "what corrects a line bears its tax"
        bases[line.tax] -= line.amount_minor
    return used_minor + sum(base + tax.amount_minor(base, invoice.currency) for tax, base in bases.items())


def set_off_of(subscription_ids: Collection[UUID | None]) -> list[tuple[UUID, int]]:
    """Return what of the credit of subscriptions was set off against other invoices, or taken back from them."""
    if not subscription_ids:
        return []
    rows = CreditSetOff.objects.filter(exception__subscription__in=subscription_ids)
    return list(rows.values_list("exception__subscription", "amount_minor"))
