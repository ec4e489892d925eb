"""Setting off: credit that no invoice follows pays what the customer owes, before any of it is paid back.

`docs/algorithms/invoicing.md`, F5. State is the queue: an open exception with an amount, and an unpaid invoice.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Value
from django.db.models.functions import Concat

from accounts.domain.actor import Actor
from billing.domain.money import money_text
from billing.models import BillingException, CreditSetOff, Invoice
from billing.selectors.invoicing.due import Due
from billing.services.booking import book_set_off
from billing.services.invoicing.allocating import PAYABLE, Act, settle_some
from billing.services.invoicing.exceptions import CREDIT_LEFT
from billing.services.invoicing.status import locked_invoice

SET_OFF_BY: Final = Actor.system("invoicing")
RESOLUTION: Final = "All of it is set off."


def set_off_credit(*, as_of: datetime, due: Due) -> int:
    """Set credit that is left off against unpaid invoices, the earliest due first; return how many took some.

    Each in a transaction of its own. Run again, it finds what is left.
    """
    owed = Invoice.objects.filter(
        tenant=OuterRef("subscription__tenant"), currency=OuterRef("subscription__currency"), status__in=PAYABLE
    )
    left = BillingException.objects.filter(Exists(owed), code=CREDIT_LEFT, resolved_at=None, amount_minor__gt=0)
    if due.tenant_ids is not None:
        left = left.filter(subscription__tenant__in=due.tenant_ids)
    number = 0
    for exception in left.select_related("subscription").order_by("occurred_at", "pk"):
        subscription = exception.subscription
        unpaid = Invoice.objects.of_tenant(subscription.tenant_id).filter(
            currency=subscription.currency, status__in=PAYABLE
        )
        for invoice_id in unpaid.order_by("due_on", "pk").values_list("pk", flat=True):
            number += _set_off(exception.pk, invoice_id, as_of)
    return number


def _set_off(exception_id: int, invoice_id: UUID, as_of: datetime) -> int:
    """Set off what is possible; the invoice is locked before the exception. Return 1 if something was."""
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        exception = BillingException.objects.select_for_update(no_key=True).get(pk=exception_id)
        due_minor = invoice.amount_due_minor if invoice.status in PAYABLE else 0
        left_minor = 0 if exception.resolved_at is not None else exception.amount_minor or 0
        share_minor = min(due_minor, left_minor)
        if share_minor <= 0:
            return 0
        row = CreditSetOff.objects.create(
            tenant_id=invoice.tenant_id, exception=exception, invoice=invoice, amount_minor=share_minor,
            created_at=as_of,
        )  # fmt: skip
        book_set_off(invoice, source=str(row.pk), amount_minor=share_minor, as_of=as_of)
        act = Act(SET_OFF_BY, as_of, "Credit is set off.")
        settle_some(invoice, share_minor, act, paid_at=as_of, said={"set_off_minor": share_minor})
        _take_off(exception, invoice, share_minor, as_of)
    return 1


def _take_off(exception: BillingException, invoice: Invoice, share_minor: int, as_of: datetime) -> None:
    """Write what is left of the credit on its exception; nothing left resolves it."""
    share, rest_minor = money_text(share_minor, invoice.currency), (exception.amount_minor or 0) - share_minor
    rest = f"{money_text(rest_minor, invoice.currency)} are left" if rest_minor else "nothing is left to pay back"
    said = f" {share} are set off against {invoice.number}; {rest}."
    resolved = {} if rest_minor else {"resolved_at": as_of, "resolved_by": SET_OFF_BY.label, "resolution": RESOLUTION}
    BillingException.objects.filter(pk=exception.pk).update(
        detail=Concat(F("detail"), Value(said)), amount_minor=rest_minor, **resolved
    )
