"""Crediting some of an invoice: lines of it, or an amount over all of it, with the tax that they bear.

What is still due is lowered first; what was paid of it is freed, to be refunded or to pay the next invoices.
`docs/algorithms/invoicing.md`, section C.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.errors import FieldError, InvalidFieldsError
from accounts.notices.services.outbox import add_to_outbox
from billing.domain.crediting import spread, tax_key, tax_rows_of
from billing.domain.documents import credit_in_part_content, digest_of_content
from billing.domain.exchange import Conversion
from billing.domain.happenings import CreditNoteIssued, InvoicePaid
from billing.domain.invoicing.taxes import TaxRow
from billing.domain.money import money_text
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.ledger.domain.accounts import LedgerAccount
from billing.ledger.domain.entries import TaxSum
from billing.models import CreditNote, CreditTarget, Invoice, InvoiceLine, Issuer, PaymentAllocation
from billing.selectors.booking import lines_to_book
from billing.selectors.exchange import conversions
from billing.selectors.facts import facts_of_credit_note, facts_of_invoice
from billing.selectors.invoicing.again import is_from_before
from billing.selectors.invoicing.crediting import Left, left_of
from billing.services.booking import book_credit_note_in_part
from billing.services.invoicing.allocating import PAYABLE, Act, keep_freed, release
from billing.services.invoicing.numbering import take_credit_numbers
from billing.services.invoicing.status import checked_reason, lock_draft, locked_invoice, move_invoice, record_change
from billing.services.subscriptions.standing import refresh_standing
from metering.domain.periods import local_day

CREDITABLE_IN_PART: Final = frozenset({InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.PAID})


@dataclass(frozen=True, slots=True)
class PlannedCredit:
    """A credit note in part before it is issued: `amounts` without tax by position, and the uses of its total.

    `lowers_due_minor` was not paid yet, `frees_minor` was.
    """

    left: Left
    amounts: Mapping[int, int]
    taxes: tuple[TaxRow, ...]
    lowers_due_minor: int
    frees_minor: int

    @property
    def subtotal_minor(self) -> int:
        """Return the sum without tax."""
        return sum(self.amounts.values())

    @property
    def tax_minor(self) -> int:
        """Return the tax."""
        return sum(row.tax_minor for row in self.taxes)

    @property
    def total_minor(self) -> int:
        """Return what is given back, tax included."""
        return self.subtotal_minor + self.tax_minor


def plan_credit(
    *, invoice: Invoice, amounts: Mapping[int, int] | None = None, amount_minor: int | None = None
) -> PlannedCredit:
    """Compute a credit of some lines (amounts without tax, by position), or of one amount over all of them.

    Raises `InvoiceStatusError`, and `InvalidFieldsError` if more is asked for than may still be credited.
    """
    _require_creditable(invoice)
    left = left_of(invoice)
    if amounts is None:
        amounts = _spread(left, amount_minor or 0, invoice.currency)
    else:
        amounts = {position: minor for position, minor in amounts.items() if minor}
        _check_lines(left, amounts, invoice.currency)
    taxes = tax_rows_of(amounts, left.lines, left.bases, invoice.currency)
    total_minor = sum(amounts.values()) + sum(row.tax_minor for row in taxes)
    most_minor = invoice.total_minor - invoice.credited_minor
    if not 1 <= total_minor <= most_minor:
        most = money_text(most_minor, invoice.currency)
        _refuse(f"More than nothing, and at most {most} with tax: what is left of the invoice's total.")
    lowers_minor = min(invoice.amount_due_minor, total_minor)
    return PlannedCredit(left, amounts, taxes, lowers_minor, total_minor - lowers_minor)


def credit_in_part(
    *,
    invoice_id: UUID,
    goes_to: CreditTarget,
    reason: str,
    actor: Actor,
    as_of: datetime,
    amounts: Mapping[int, int] | None = None,
    amount_minor: int | None = None,
) -> CreditNote:
    """Issue a credit note over some of an invoice: amounts without tax, by position or over all lines.

    Raises `NotFoundError`, `InvalidFieldsError`, `InvoiceStatusError`.
    """
    act = Act(actor, as_of, checked_reason(reason))
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        lock_draft(invoice.subscription_id)
        planned = plan_credit(invoice=invoice, amounts=amounts, amount_minor=amount_minor)
        issuer = Issuer.objects.get(pk=1)
        issued_on = local_day(as_of, issuer.time_zone)
        [number] = take_credit_numbers([invoice], issuer=issuer, issued_on=issued_on)
        note = _add_note(invoice, planned, number, goes_to=goes_to, issued_on=issued_on, act=act)
        _settle(invoice, planned, goes_to, Act(actor, as_of, f"Credited by {number}"))
        _book(note, invoice, planned, as_of)
        refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)
    return note


def _require_creditable(invoice: Invoice) -> None:
    if CreditNote.objects.filter(invoice=invoice).exists():
        raise InvoiceStatusError("There is a credit note for this invoice.")
    if invoice.status not in CREDITABLE_IN_PART:
        raise InvoiceStatusError(f"The invoice is {invoice.status}: it is not credited in part.")
    if is_from_before(invoice):
        raise InvoiceStatusError(
            "The invoice's lines have no tax of their own, so only the whole invoice can be credited."
        )


def _spread(left: Left, amount_minor: int, currency: str) -> dict[int, int]:
    if not 1 <= amount_minor <= left.left_minor:
        _refuse(f"More than nothing, and at most {money_text(left.left_minor, currency)} without tax.")
    return spread(amount_minor, left.lines, left.bases)


def _check_lines(left: Left, amounts: Mapping[int, int], currency: str) -> None:
    lines = {line.position: line for line in left.lines}
    bases = {key: bearing.left_minor for key, bearing in left.bases.items()}
    for position, minor in amounts.items():
        line = lines.get(position)
        most_minor = 0 if line is None else min(line.left_minor, bases[tax_key(line.tax)])
        if line is None or not 0 < minor <= most_minor:
            _refuse(f"Line {position}: at most {money_text(most_minor, currency)} without tax.")
        else:
            bases[tax_key(line.tax)] -= minor


def _refuse(problem: str) -> None:
    raise InvalidFieldsError(problem, field_errors=(FieldError("/amount_minor", "invalid_amount", problem),))


def _add_note(
    invoice: Invoice, planned: PlannedCredit, number: str, *, goes_to: CreditTarget, issued_on: date, act: Act
) -> CreditNote:
    content = credit_in_part_content(
        invoice.document.content,
        number=number,
        issued_on=issued_on,
        reason=act.reason,
        amounts=planned.amounts,
        taxes=planned.taxes,
        conversion=_way(invoice),
    )
    note = CreditNote.objects.create(
        id=uuid7(act.as_of),
        tenant_id=invoice.tenant_id,
        part_of=invoice,
        goes_to=goes_to,
        credited_lines=[
            {
                "line": line.line_id,
                "root": line.root_id,
                "position": line.position,
                "amount_minor": planned.amounts[line.position],
                "stood_minor": line.stood_minor,
            }
            for line in planned.left.lines
            if line.position in planned.amounts
        ],
        number=number,
        currency=invoice.currency,
        subtotal_minor=planned.subtotal_minor,
        tax_minor=planned.tax_minor,
        total_minor=planned.total_minor,
        reason=act.reason,
        issued_on=issued_on,
        issued_at=act.as_of,
        issued_by=act.actor.label[:254],
        content=content,
        content_digest=digest_of_content(content),
    )
    after = {"credit_note": number, "total_minor": note.total_minor, "goes_to": goes_to, "reason": act.reason}
    record_change(invoice, "credit_note.issued", actor=act.actor, after=after, as_of=act.as_of)
    add_to_outbox([CreditNoteIssued(facts_of_credit_note(note))], as_of=act.as_of)
    return note


def _way(invoice: Invoice) -> Conversion | None:
    """Return the conversion of tax to the seller's currency on the invoice's day, if the invoice shows one."""
    own = invoice.document.content.get("issuer_currency")
    if own is None or invoice.issued_on is None:
        return None
    return conversions({invoice.currency}, own["currency"], invoice.issued_on).get(invoice.currency)


def _settle(invoice: Invoice, planned: PlannedCredit, goes_to: CreditTarget, act: Act) -> None:
    """Lower what is due, free what was paid, and keep it or leave it for a refund."""
    if planned.frees_minor:
        payments = list(
            PaymentAllocation.objects.filter(invoice=invoice).order_by().values_list("payment", flat=True).distinct()
        )
        assert release(invoice, act, amount_minor=planned.frees_minor) == planned.frees_minor, "it was paid"
        if goes_to == CreditTarget.BALANCE:
            keep_freed(payments, act)
    Invoice.objects.filter(pk=invoice.pk).update(
        amount_paid_minor=F("amount_paid_minor") - planned.frees_minor,
        credited_minor=F("credited_minor") + planned.total_minor,
    )
    invoice.refresh_from_db(fields=["amount_paid_minor", "credited_minor"])
    if invoice.status in PAYABLE and not invoice.amount_due_minor:
        move_invoice(
            invoice, InvoiceStatus.PAID, {"paid_at": act.as_of, "payment_failed_at": None, "payment_error": ""}
        )
        add_to_outbox([InvoicePaid(facts_of_invoice(invoice), act.as_of)], as_of=act.as_of)


def _book(note: CreditNote, invoice: Invoice, planned: PlannedCredit, as_of: datetime) -> None:
    lines = InvoiceLine.objects.filter(
        invoice=invoice, revision=invoice.revision, position__in=planned.amounts
    ).select_related("meter")
    book_credit_note_in_part(
        note,
        invoice,
        lines=lines_to_book(lines, invoice.subscription.time_zone, planned.amounts),
        taxes=[
            TaxSum(row.tax.jurisdiction, row.tax.category, row.tax.name, row.tax.percent, row.base_minor, row.tax_minor)
            for row in planned.taxes
        ],
        settled={LedgerAccount.RECEIVABLE: planned.total_minor},
        as_of=as_of,
    )
