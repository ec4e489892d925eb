"""Issuing an invoice again: one with the right amounts and the wrong buyer is taken back and replaced.

One transaction: the credit note (or the void), the replacement, and what payments pay of them are on record together,
or nothing is. `docs/algorithms/invoicing.md`, section R.
"""

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
from billing.services.invoicing.numbering import take_numbers
from billing.services.invoicing.staff_actions import CREDITABLE, credit_in_full, declare_void
from billing.services.invoicing.status import checked_reason, locked_invoice, record_change
from billing.services.subscriptions.standing import refresh_standing
from metering.domain.periods import local_day

REASON_KEPT_MAX: Final = 200
UNPAID: Final = frozenset({InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE})


@dataclass(frozen=True, slots=True)
class Reissue:
    """What issuing an invoice again would do: the replacement, and whether a credit note takes the invoice back."""

    computed: ComputedInvoice
    is_credited: bool


def preview_reissue(*, invoice: Invoice, as_of: datetime) -> Reissue:
    """Compute what issuing an invoice again would do, and write nothing. Raises `InvoiceStatusError`."""
    _require_reissuable(invoice)
    try:
        computed = computed_again(invoice)
    except UnbillableError as error:
        raise InvoiceStatusError(error.detail) from error
    why_not = why_not_issued(computed, as_of=as_of)
    if why_not:
        raise InvoiceStatusError(why_not)
    short_minor = invoice.carried_minor - computed.carried_minor
    if short_minor > 0 and not is_followed(invoice.subscription_id):
        short = money_text(short_minor, invoice.currency)
        raise InvoiceStatusError(
            f"It left {short} more than it would leave now, and no invoice follows to charge that."
        )
    is_voided = invoice.status in UNPAID and not invoice.amount_paid_minor and not was_mailed(invoice)
    return Reissue(computed, is_credited=not is_voided)


def reissue_invoice(*, invoice_id: UUID, reason: str, actor: Actor, as_of: datetime) -> Invoice:
    """Take an invoice back whole, and return the one that is issued in its place to the buyer as it is now.

    Payments move with it. Raises `NotFoundError`, `InvalidFieldsError`, and `InvoiceStatusError` if it was taken back
    before, or the replacement cannot be issued.
    """
    act = Act(actor, as_of, checked_reason(reason))
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        planned = preview_reissue(invoice=invoice, as_of=as_of)
        issuer = Issuer.objects.get(pk=1)
        issued_on = local_day(as_of, issuer.time_zone)
        paid = _paid_by(invoice)
        # Both series stay locked until the end of the transaction, in this order.
        notes = take_numbers(
            prefix=issuer.credit_note_prefix, issued_on=issued_on, count=1 if planned.is_credited else 0
        )
        [number] = take_numbers(prefix=issuer.invoice_prefix, issued_on=issued_on, count=1)
        _take_back(invoice, notes, number, issued_on=issued_on, act=act)
        row = _replacement_of(invoice, planned.computed, as_of)
        replaced = Replaced(invoice.number or "", invoice.issued_on or issued_on, notes[0] if notes else "")
        purses = _purses(invoice, paid)
        issue_numbered([((row, planned.computed), number)], purses, issuer=issuer, as_of=as_of, replaces=replaced)
        for payment_id, _ in paid:
            close_spent(locked_payment(payment_id), act)
        row.refresh_from_db()
        _record(invoice, row, replaced, act)
        refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)
        report_more_credit(row, row.carried_minor - invoice.carried_minor, as_of=as_of)
    return row


def _require_reissuable(invoice: Invoice) -> None:
    if invoice.kind == InvoiceKind.MANUAL:
        raise InvoiceStatusError("It has single items: credit it, and write another one.")
    if CreditNote.objects.filter(invoice=invoice).exists():
        raise InvoiceStatusError("There is a credit note for this invoice: what was taken back is not issued again.")
    if invoice.credited_minor:
        raise InvoiceStatusError("Some of it was credited: credit the rest, and write another one.")
    if invoice.status not in CREDITABLE:
        raise InvoiceStatusError(f"The invoice is {invoice.status}: there is nothing to issue again.")
    if is_from_before(invoice):
        raise InvoiceStatusError("Its lines do not say which tax they bear: credit it, and write another one.")


def _paid_by(invoice: Invoice) -> list[tuple[int, int]]:
    """Return which payments pay how much of an invoice, the oldest first."""
    rows = PaymentAllocation.objects.filter(invoice=invoice).order_by().values("payment")
    paid = rows.annotate(pays_minor=Sum("amount_minor"), since=Min("pk")).filter(pays_minor__gt=0)
    return [(row["payment"], row["pays_minor"]) for row in paid.order_by("since")]


def _take_back(invoice: Invoice, notes: list[str], number: str, *, issued_on: date, act: Act) -> None:
    if notes:
        credit_in_full(invoice, notes[0], issued_on=issued_on, act=act, replaced_by=number)
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
