"""Assigning an entry to the invoice that it pays, and taking that back by reversing entries of the ledger."""

from datetime import UTC, datetime, time
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from accounts.domain.actor import Actor
from accounts.errors import NotFoundError
from accounts.services.audit import AuditTarget, record_audit
from billing.banking.domain.matching import Match
from billing.banking.errors import EntryStateError
from billing.banking.models import BankEntry, EntryStatus
from billing.domain.statuses import InvoiceStatus
from billing.models import Invoice, Payment, PaymentAllocation, RefundWay
from billing.services.invoicing.allocating import take_back_allocation
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.refunding import record_refund
from billing.services.invoicing.status import checked_reason, locked_invoice

PROVIDER: Final = "bank"
_PAYABLE: Final = frozenset({InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE})


def assign_entry(*, entry_id: int, invoice_id: UUID, actor: Actor, as_of: datetime) -> BankEntry:
    """Pay an invoice with an open entry, as staff decided: all that is due, a part, or more, which waits for staff.

    Raises `EntryStateError` if it is not open, is in another currency, or the invoice takes no payment.
    """
    with transaction.atomic():
        locked_invoice(invoice_id)
        entry = _locked(entry_id)
        _require(entry, EntryStatus.OPEN)
        _pay(entry, invoice_id, "", actor, as_of)
    return entry


def assign_matched(*, entry_id: int, match: Match, actor: Actor, as_of: datetime) -> bool:
    """Pay the invoice that an entry was matched with; return False if it is not open, or owed, any more."""
    with transaction.atomic():
        invoice = locked_invoice(match.invoice_id)
        entry = _locked(entry_id)
        if entry.status != EntryStatus.OPEN or invoice.status not in _PAYABLE or not invoice.amount_due_minor:
            return False
        _pay(entry, match.invoice_id, match.by, actor, as_of)
    return True


def set_aside(*, entry_id: int, reason: str, actor: Actor, as_of: datetime) -> BankEntry:
    """Set an open entry aside that is no payment of a customer. Raises `EntryStateError`, `InvalidFieldsError`."""
    reason = checked_reason(reason)
    with transaction.atomic():
        entry = _locked(entry_id)
        _require(entry, EntryStatus.OPEN)
        _decide(entry, EntryStatus.ASIDE, reason, actor, as_of)
        _record(entry, "bank_entry.set_aside", {"reason": reason}, actor, as_of)
    return entry


def open_again(*, entry_id: int, reason: str, actor: Actor, as_of: datetime) -> BankEntry:
    """Take a decision about an incoming entry back, so that it is open again.

    An assignment is reversed: the money is taken back from every invoice that it pays, which is owed again, and the
    payment is booked out. Both are entries of the ledger of their own; nothing is deleted. Raises `EntryStateError`,
    `InvalidFieldsError`, and the errors of refunds.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        known = BankEntry.objects.filter(pk=entry_id).values_list("payment_id", flat=True).first()
        if known is not None:
            _lock_invoices(known)
        entry = _locked(entry_id)
        if entry.status == EntryStatus.OPEN or entry.amount_minor < 0:
            raise EntryStateError(f"The entry is {entry.get_status_display().lower()}: nothing is to be taken back.")
        payment_id = entry.payment_id
        _decide(entry, EntryStatus.OPEN, reason, actor, as_of)
        if payment_id is not None:
            _reverse(payment_id, reason, actor, as_of)
        _record(entry, "bank_entry.opened_again", {"reason": reason}, actor, as_of)
    return entry


def _pay(entry: BankEntry, invoice_id: UUID, by: str, actor: Actor, as_of: datetime) -> None:
    invoice = Invoice.objects.get(pk=invoice_id)
    if invoice.status not in _PAYABLE or not invoice.amount_due_minor:
        raise EntryStateError(f"{invoice} is {invoice.status}: it takes no payment.")
    if entry.currency != invoice.currency:
        raise EntryStateError(f"The entry is in {entry.currency}, and {invoice} in {invoice.currency}.")
    number = entry.assignments + 1
    reference = entry.key if number == 1 else f"{entry.key}#{number}"
    noon = datetime.combine(entry.booked_on, time(12), tzinfo=UTC)
    record_payment(
        invoice_id=invoice_id,
        provider=PROVIDER,
        reference=reference,
        amount_minor=entry.amount_minor,
        currency=entry.currency,
        occurred_at=min(noon, as_of),
        as_of=as_of,
    )
    payment = Payment.objects.get(provider=PROVIDER, reference=reference)
    BankEntry.objects.filter(pk=entry.pk).update(
        status=EntryStatus.ASSIGNED,
        matched_by=by,
        tenant=invoice.tenant_id,
        invoice=invoice,
        payment=payment,
        assignments=number,
        note="",
        decided_at=as_of,
        decided_by=actor.label[:254],
    )
    entry.refresh_from_db()
    _record(entry, "bank_entry.assigned", {"invoice": invoice.number, "by": by or "a person"}, actor, as_of)


def _paid_by(payment_id: int) -> list[UUID]:
    """Return the invoices that a payment still pays."""
    rows = PaymentAllocation.objects.filter(payment=payment_id).values("invoice")
    paid = rows.annotate(net=Sum("amount_minor")).filter(net__gt=0).order_by("invoice")
    return list(paid.values_list("invoice", flat=True))


def _lock_invoices(payment_id: int) -> None:
    for invoice_id in _paid_by(payment_id):
        locked_invoice(invoice_id)


def _reverse(payment_id: int, reason: str, actor: Actor, as_of: datetime) -> None:
    for invoice_id in _paid_by(payment_id):
        take_back_allocation(payment_id=payment_id, invoice_id=invoice_id, reason=reason, actor=actor, as_of=as_of)
    payment = Payment.objects.get(pk=payment_id)
    if payment.unallocated_minor != payment.amount_minor:
        raise EntryStateError("Some of this payment was given back already: it stays assigned.")
    record_refund(
        payment_id=payment_id,
        amount_minor=payment.unallocated_minor,
        way=RefundWay.OTHER,
        reference="",
        reason=reason,
        occurred_at=as_of,
        actor=actor,
        as_of=as_of,
    )


def _locked(entry_id: int) -> BankEntry:
    entry: BankEntry | None = BankEntry.objects.select_for_update(no_key=True, of=("self",)).filter(pk=entry_id).first()
    if entry is None:
        raise NotFoundError("There is no such entry.")
    return entry


def _require(entry: BankEntry, status: EntryStatus) -> None:
    if entry.status != status:
        raise EntryStateError(f"The entry is {entry.get_status_display().lower()}.")


def _decide(entry: BankEntry, status: EntryStatus, note: str, actor: Actor, as_of: datetime) -> None:
    BankEntry.objects.filter(pk=entry.pk).update(
        status=status, note=note, matched_by="", tenant=None, invoice=None, payment=None, decided_at=as_of,
        decided_by=actor.label[:254],
    )  # fmt: skip
    entry.refresh_from_db()


def _record(entry: BankEntry, action: str, after: dict[str, object], actor: Actor, as_of: datetime) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=entry.tenant_id,
        target=AuditTarget("bank_entry", entry.pk, str(entry)[:200]),
        after=after,
        as_of=as_of,
    )
