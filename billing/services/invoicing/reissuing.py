"""Issuing an invoice again: one with the right amounts and the wrong buyer is taken back and replaced.

One transaction: the credit note (or the void), the replacement, and what payments pay of them are on record together,
or nothing is. `docs/algorithms/invoicing.md`, section R.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Min, Sum

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from billing.domain.documents import Replaced
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.money import money_text
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError, UnbillableError
from billing.models import CreditNote, Invoice, InvoiceKind, Issuer, PaymentAllocation
from billing.selectors.invoicing.again import computed_again, is_from_before
from billing.selectors.invoicing.invoices import was_mailed
from billing.selectors.invoicing.issuing import why_not_issued
from billing.services.booking import book_void
from billing.services.invoicing.allocating import Act, close_spent, locked_payment
from billing.services.invoicing.exceptions import is_followed, report_more_credit
from billing.services.invoicing.finalizing import issue_numbered
from billing.services.invoicing.kept_money import Purse, locked_purses
from billing.services.invoicing.lines import store_lines
from billing.services.invoicing.numbering import take_credit_numbers, take_numbers_for
from billing.services.invoicing.staff_actions import CREDITABLE, credit_in_full, declare_void
from billing.services.invoicing.status import checked_reason, lock_draft, locked_invoice, record_change
from billing.services.subscriptions.standing import refresh_standing
from metering.domain.periods import local_day

REASON_KEPT_MAX: Final = 200
UNPAID: Final = frozenset({InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE})


@dataclass(frozen=True, slots=True)
class Reissue:
    """What issuing an invoice again would do: the replacement, and whether a credit note takes the invoice back."""

    invoice: Invoice
    computed: ComputedInvoice
    is_credited: bool


def preview_reissue(*, invoice: Invoice, as_of: datetime) -> list[Reissue]:
    """Compute what issuing an invoice again would do, and write nothing.

    After the invoice come the later ones that are issued again with it, since they correct it with the tax that it no
    longer bears. Raises `InvoiceStatusError`.
    """
    why_not = _why_not_reissued(invoice)
    if why_not:
        raise InvoiceStatusError(why_not)
    try:
        planned = [_planned(one, computed, as_of, first=invoice) for one, computed in computed_again(invoice)]
    except UnbillableError as error:
        raise InvoiceStatusError(error.detail) from error
    short_minor = -_more_credit(planned)
    if short_minor > 0 and not is_followed(invoice.subscription_id):
        short = money_text(short_minor, invoice.currency)
        raise InvoiceStatusError(
            f"It left {short} more than it would leave now, and no invoice follows to charge that."
        )
    return planned


def _planned(one: Invoice, computed: ComputedInvoice, as_of: datetime, *, first: Invoice) -> Reissue:
    """Return what becomes of one of the invoices. Raises `InvoiceStatusError`."""
    why_not = _why_not_reissued(one) or why_not_issued(computed, as_of=as_of)
    if why_not and one is not first:
        why_not = f"{one.number} corrects it with the old tax, and is to be issued again with it. {why_not}"
    if why_not:
        raise InvoiceStatusError(why_not)
    is_voided = one.status in UNPAID and not one.amount_paid_minor and not was_mailed(one)
    return Reissue(one, computed, is_credited=not is_voided)


def _more_credit(planned: Sequence[Reissue]) -> int:
    """Return how much more credit the replacements leave than what they replace."""
    return sum(one.computed.carried_minor - one.invoice.carried_minor for one in planned)


def reissue_invoice(*, invoice_id: UUID, reason: str, actor: Actor, as_of: datetime) -> Invoice:
    """Take an invoice back whole, and return the one that is issued in its place to the buyer as it is now.

    Payments move with it. Later invoices that correct it with the tax that it no longer bears are issued again as well.
    Raises `NotFoundError`, `InvalidFieldsError`, and `InvoiceStatusError` if it was taken back
    before, or the replacement cannot be issued.
    """
    act = Act(actor, as_of, checked_reason(reason))
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        lock_draft(invoice.subscription_id)
        planned = preview_reissue(invoice=invoice, as_of=as_of)
        issuer = Issuer.objects.get(pk=1)
        issued_on = local_day(as_of, issuer.time_zone)
        # The series stay locked until the end of the transaction, in this order.
        credited = [one.invoice for one in planned if one.is_credited]
        notes = take_credit_numbers(credited, issuer=issuer, issued_on=issued_on)
        numbers = take_numbers_for([one.computed for one in planned], issuer=issuer, issued_on=issued_on)
        rows = []
        for one, number in zip(planned, numbers, strict=True):
            note = notes.pop(0) if one.is_credited else ""
            rows.append(_replace(one, number, note, issuer=issuer, issued_on=issued_on, act=act))
        refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)
        report_more_credit(rows[0], _more_credit(planned), as_of=as_of)
    return rows[0]


def _replace(planned: Reissue, number: str, note: str, *, issuer: Issuer, issued_on: date, act: Act) -> Invoice:
    """Take one invoice back and issue its replacement under these numbers."""
    invoice, as_of = planned.invoice, act.as_of
    paid = _paid_by(invoice)
    _take_back(invoice, note, number, issued_on=issued_on, act=act)
    row = _replacement_of(invoice, planned.computed, as_of)
    replaced = Replaced(invoice.number or "", invoice.issued_on or issued_on, note)
    purses = _purses(invoice, paid)
    issue_numbered([((row, planned.computed), number)], purses, issuer=issuer, as_of=as_of, replaces=replaced)
    for payment_id, _ in paid:
        close_spent(locked_payment(payment_id), act)
    row.refresh_from_db()
    _record(invoice, row, replaced, act)
    return row


def _why_not_reissued(invoice: Invoice) -> str:
    """Return why the invoice is not issued again, or an empty text."""
    if invoice.kind == InvoiceKind.MANUAL:
        return "A manual invoice cannot be issued again. Credit it and write a new one."
    if CreditNote.objects.filter(invoice=invoice).exists():
        return "There is a credit note for this invoice: what was taken back is not issued again."
    if invoice.credited_minor:
        return "Part of the invoice was credited. Credit the rest and write a new one."
    if invoice.status not in CREDITABLE:
        return f"The invoice is {invoice.status}: there is nothing to issue again."
    if is_from_before(invoice):
        return "The invoice's lines have no tax of their own. Credit the invoice and write a new one."
    return ""


def _paid_by(invoice: Invoice) -> list[tuple[int, int]]:
    """Return which payments pay how much of an invoice, the oldest first."""
    rows = PaymentAllocation.objects.filter(invoice=invoice).order_by().values("payment")
    paid = rows.annotate(pays_minor=Sum("amount_minor"), since=Min("pk")).filter(pays_minor__gt=0)
    return [(row["payment"], row["pays_minor"]) for row in paid.order_by("since")]


def _take_back(invoice: Invoice, note: str, number: str, *, issued_on: date, act: Act) -> None:
    if note:
        credit_in_full(invoice, note, issued_on=issued_on, act=act, replaced_by=number)
    else:
        declare_void(invoice, f"Replaced by {number}: {act.reason}"[:REASON_KEPT_MAX], act.actor, act.as_of)
        book_void(invoice, as_of=act.as_of)


def _replacement_of(invoice: Invoice, computed: ComputedInvoice, as_of: datetime) -> Invoice:
    """Store the replacement as a draft, which is numbered in the same transaction."""
    row: Invoice = Invoice.objects.create(
        id=uuid7(as_of),
        tenant_id=invoice.tenant_id,
        subscription_id=invoice.subscription_id,
        kind=InvoiceKind.REPLACEMENT,
        original=invoice.original or invoice,
        replaces=invoice,
        currency=invoice.currency,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        lines_digest=computed.lines_digest,
        subtotal_minor=computed.subtotal_minor,
        tax_minor=computed.tax_minor,
        carried_minor=computed.carried_minor,
        total_minor=computed.total_minor,
        drafted_at=as_of,
        computed_at=invoice.computed_at,
        finalize_after=as_of,
    )
    store_lines([(row.pk, row.revision, computed)])
    return row


def _purses(invoice: Invoice, paid: list[tuple[int, int]]) -> Purse:
    """Return what paid the invoice, and after it what is kept for the customer."""
    purses = locked_purses([invoice.tenant_id])
    key = invoice.tenant_id, invoice.currency
    freed = dict(paid)
    purses[key] = [*paid, *(kept for kept in purses.get(key, []) if kept[0] not in freed)]
    return purses


def _record(invoice: Invoice, row: Invoice, replaced: Replaced, act: Act) -> None:
    by = {"credit_note": replaced.credit_note, "reason": act.reason}
    record_change(
        row, "invoice.issued_again", actor=act.actor, after={"replaces": replaced.number, **by}, as_of=act.as_of
    )
    record_change(
        invoice, "invoice.replaced", actor=act.actor, after={"replaced_by": row.number, **by}, as_of=act.as_of
    )
