"""Money that goes back at the payment provider: refunds, and disputes with their outcome. Each is recorded once.

A refund of money that pays an invoice takes it from the invoice first. The invoice is then owed again and on hold:
it is neither collected nor reminded of until staff credit it, or end the hold.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accounts.domain.actor import Actor
from accounts.errors import ConflictError, NotFoundError
from billing.domain.money import money_text
from billing.models import (
    BillingException,
    DisputeState,
    Invoice,
    InvoiceHold,
    Payment,
    PaymentDispute,
    PaymentRefund,
    PaymentStatus,
    RefundWay,
)
from billing.services.booking import book_dispute, book_refund
from billing.services.invoicing.allocating import (
    Act,
    locked_payment,
    owe_again,
    record_payment_change,
    release,
    report_money_left,
    subscription_of_payment,
)
from billing.services.invoicing.refunding import record_refund
from billing.services.invoicing.status import checked_reason, locked_invoice, record_change
from billing.services.subscriptions.standing import refresh_standing

MONEY_WENT_BACK: Final = "money_went_back"
PAYMENT_DISPUTED: Final = "payment_disputed"
_REASON_CHARACTERS_MAX: Final = 200
_CLOSED: Final = frozenset({DisputeState.WON, DisputeState.LOST})


@dataclass(frozen=True, slots=True)
class DisputeToRecord:
    """A dispute as the provider describes it now."""

    reference: str
    state: DisputeState
    amount_minor: int
    currency: str
    reason: str
    answer_by: datetime | None
    occurred_at: datetime


def received_payment_named(*, provider: str, reference: str) -> Payment | None:
    """Return the payment that came in under the provider's reference, or None."""
    came_in = Payment.objects.filter(provider=provider, reference=reference).exclude(status=PaymentStatus.FAILED)
    return came_in.first()


@transaction.atomic
def record_refund_elsewhere(
    *,
    payment: Payment,
    reference: str,
    amount_minor: int,
    reason: str,
    occurred_at: datetime,
    as_of: datetime,
    way: RefundWay = RefundWay.PROVIDER,
) -> PaymentRefund:
    """Record money that went back at the provider without our asking, and return the refund; a second call adds none.

    Raises `ConflictError` if more went back than came in.
    """
    act = Act(Actor.system(payment.provider), as_of, reason[:_REASON_CHARACTERS_MAX])
    held = _lock_invoices(payment)
    current = locked_payment(payment.pk)
    known = PaymentRefund.objects.filter(payment=current, way=way, reference=reference).first()
    if known is not None:
        return known
    lacking_minor = amount_minor - current.unallocated_minor
    if lacking_minor > current.allocated_minor:
        detail = f"{money_text(amount_minor, current.currency)} went back of {current.reference}: more than is left."
        raise ConflictError(detail)
    took_from = _take_from_invoices(held, current, lacking_minor, act)
    refund = record_refund(
        payment_id=current.pk, amount_minor=amount_minor, way=way, reference=reference, reason=act.reason,
        occurred_at=max(occurred_at, current.occurred_at), actor=act.actor, as_of=max(as_of, occurred_at),
    )  # fmt: skip
    if took_from:
        _report_gone(current, took_from, amount_minor, act)
    return refund


def _take_from_invoices(invoices: list[Invoice], payment: Payment, lacking_minor: int, act: Act) -> list[Invoice]:
    """Take money back from the invoices that it pays, the latest first, and hold them; return them."""
    took_from = []
    for invoice in sorted(invoices, key=lambda one: (one.finalized_at, one.pk), reverse=True):
        if lacking_minor <= 0:
            break
        freed_minor = release(invoice, act, payments=[payment], amount_minor=lacking_minor)
        if not freed_minor:
            continue
        lacking_minor -= freed_minor
        owe_again(invoice, freed_minor, act)
        InvoiceHold.objects.update_or_create(
            invoice=invoice,
            defaults={"tenant_id": invoice.tenant_id, "reason": act.reason, "created_at": act.as_of},
        )
        refresh_standing(subscription_id=invoice.subscription_id, as_of=act.as_of)
        took_from.append(invoice)
    return took_from


def _report_gone(payment: Payment, invoices: list[Invoice], amount_minor: int, act: Act) -> None:
    numbers = ", ".join(str(invoice) for invoice in invoices)
    detail = (
        f"{money_text(amount_minor, payment.currency)} of the payment {payment.reference} went back: {act.reason}"
        f" They had paid {numbers}, now on hold. Credit the invoice, or end the hold to collect it again."
    )
    report_payment(payment, MONEY_WENT_BACK, detail, amount_minor, as_of=act.as_of)


def report_payment(payment: Payment, code: str, detail: str, amount_minor: int, *, as_of: datetime) -> None:
    """Record a case of a payment for staff; an open one of the payment gets the new reason."""
    open_ones = BillingException.objects.filter(payment=payment, resolved_at=None)
    if open_ones.update(code=code, detail=detail, amount_minor=amount_minor):
        return
    BillingException.objects.create(
        subscription_id=subscription_of_payment(payment), payment=payment, code=code, detail=detail,
        amount_minor=amount_minor, occurred_at=as_of,
    )  # fmt: skip


@transaction.atomic
def take_back_refund(*, refund_id: int, why: str, as_of: datetime) -> PaymentRefund | None:
    """Record that a refund did not reach the customer; the money waits for staff. A second call changes nothing.

    Returns the row that takes it back, or None if there was one.
    """
    refund = PaymentRefund.objects.select_related("payment").get(pk=refund_id)
    assert refund.reverses_id is None, "what takes back a refund is not taken back"
    payment = locked_payment(refund.payment_id)
    if PaymentRefund.objects.filter(reverses=refund).exists():
        return None
    back = PaymentRefund.objects.create(
        tenant_id=refund.tenant_id,
        payment=payment,
        way=refund.way,
        amount_minor=-refund.amount_minor,
        currency=refund.currency,
        reason=why[:_REASON_CHARACTERS_MAX],
        reverses=refund,
        occurred_at=as_of,
        created_at=as_of,
        created_by=Actor.system(payment.provider).label,
    )
    Payment.objects.filter(pk=payment.pk).update(refunded_minor=F("refunded_minor") - refund.amount_minor)
    payment.refresh_from_db(fields=["refunded_minor"])
    book_refund(back)
    report_money_left(payment, f"A refund did not reach the customer: {why}", as_of=as_of)
    told = {"amount_minor": back.amount_minor, "reason": back.reason}
    record_payment_change(payment, "payment.refund_taken_back", Act(Actor.system(payment.provider), as_of), told)
    return back


def _lock_invoices(payment: Payment) -> list[Invoice]:
    """Lock the invoices of a payment, which are locked before it."""
    paid = Invoice.objects.filter(allocations__payment=payment).order_by("pk").distinct()
    return [locked_invoice(pk) for pk in list(paid.values_list("pk", flat=True))]


@transaction.atomic
def record_dispute(*, payment: Payment, told: DisputeToRecord, as_of: datetime) -> PaymentDispute:
    """Record the current state of a dispute. A second call with the same state changes nothing.

    While it is open the bank has the money, and the invoice stays paid. If it is lost, the money went back.
    Raises `ConflictError` if the dispute was closed with the other outcome, or is in another currency.
    """
    if told.currency != payment.currency:
        raise ConflictError(f"The dispute {told.reference} is in {told.currency}, its payment in {payment.currency}.")
    _lock_invoices(payment)
    current = locked_payment(payment.pk)
    found = PaymentDispute.objects.select_for_update().filter(payment=current, reference=told.reference).first()
    dispute = found or _new_dispute(current, told, as_of)
    before = DisputeState.INQUIRY if found is None else DisputeState(dispute.state)
    if before in _CLOSED:
        if told.state in _CLOSED and told.state != before:
            raise ConflictError(f"The dispute {told.reference} was {before}, and is {told.state} now.")
        return dispute
    is_taken = before == DisputeState.OPEN
    if not is_taken and told.state in {DisputeState.OPEN, DisputeState.LOST}:
        book_dispute(dispute, is_over=False, as_of=max(told.occurred_at, current.occurred_at))
        is_taken = True
    if told.state in _CLOSED:
        _close(dispute, current, told, is_taken=is_taken, as_of=as_of)
    elif found is None or before != told.state:
        report_payment(current, PAYMENT_DISPUTED, _words_of(current, told), told.amount_minor, as_of=as_of)
    PaymentDispute.objects.filter(pk=dispute.pk).update(
        state=told.state, answer_by=told.answer_by, closed_at=as_of if told.state in _CLOSED else None
    )
    dispute.refresh_from_db()
    if found is None or before != told.state:
        said = {"dispute": told.reference, "state": str(told.state), "amount_minor": told.amount_minor}
        act = Act(Actor.system(current.provider), as_of)
        record_payment_change(current, f"payment.dispute_{told.state}", act, said)
    return dispute


def _new_dispute(payment: Payment, told: DisputeToRecord, as_of: datetime) -> PaymentDispute:
    return PaymentDispute.objects.create(
        tenant_id=payment.tenant_id,
        payment=payment,
        reference=told.reference,
        state=DisputeState.INQUIRY,
        amount_minor=told.amount_minor,
        currency=told.currency,
        reason=told.reason[:100],
        answer_by=told.answer_by,
        occurred_at=told.occurred_at,
        created_at=as_of,
    )


def _close(
    dispute: PaymentDispute, payment: Payment, told: DisputeToRecord, *, is_taken: bool, as_of: datetime
) -> None:
    """Record the outcome: the money is back, or it went to the cardholder."""
    if is_taken:
        book_dispute(dispute, is_over=True, as_of=as_of)
    BillingException.objects.filter(payment=payment, resolved_at=None, code=PAYMENT_DISPUTED).update(
        resolved_at=as_of, resolved_by=payment.provider, resolution=f"The dispute is {told.state}."
    )
    if told.state == DisputeState.LOST:
        record_refund_elsewhere(
            payment=payment,
            reference=told.reference,
            amount_minor=told.amount_minor,
            reason=f"The dispute {told.reference} is lost.",
            occurred_at=as_of,
            as_of=as_of,
            way=RefundWay.CHARGEBACK,
        )


def _words_of(payment: Payment, told: DisputeToRecord) -> str:
    amount = money_text(told.amount_minor, told.currency)
    why = f" ({told.reason.replace('_', ' ')})" if told.reason else ""
    until = f" Send evidence at the provider until {told.answer_by:%d %B %Y}." if told.answer_by else ""
    taken = "" if told.state == DisputeState.INQUIRY else " The bank has the money until it is decided."
    return f"{amount} of the payment {payment.reference} are disputed{why}.{taken}{until}"


def end_hold(*, invoice_id: UUID, reason: str, actor: Actor, as_of: datetime) -> Invoice:
    """End the hold of an invoice, which is collected again. Raises `NotFoundError` if it is not on hold."""
    reason = checked_reason(reason)
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        hold = InvoiceHold.objects.filter(invoice=invoice).first()
        if hold is None:
            raise NotFoundError("The invoice is not on hold.")
        before = {"hold": hold.reason}
        hold.delete()
        record_change(invoice, "invoice.hold_ended", actor=actor, before=before, after={"reason": reason}, as_of=as_of)
        refresh_standing(subscription_id=invoice.subscription_id, as_of=as_of)
    return invoice
