"""Refunds: money that was given back, kept with its way.

It is moved at the provider or the bank. The payment provider is asked to move a refund that has no reference
(`billing.collection`).
"""

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F

from accounts.domain.actor import Actor
from accounts.domain.texts import line_problem
from accounts.errors import ConflictError, FieldError, InvalidFieldsError
from billing.domain.money import money_text
from billing.models import MANUAL_PROVIDER, Payment, PaymentRefund, RefundWay
from billing.services.booking import book_refund
from billing.services.invoicing.allocating import Act, close_spent, locked_payment, record_payment_change
from billing.services.invoicing.status import checked_reason

REFERENCE_CHARACTERS_MAX: Final = 255


def record_refund(
    *,
    payment_id: int,
    amount_minor: int,
    way: str,
    reference: str,
    reason: str,
    occurred_at: datetime,
    actor: Actor,
    as_of: datetime,
) -> PaymentRefund:
    """Store that money of a payment was given back: never more than is left of what came in.

    Money that pays an invoice is taken back from it first, or its invoice is credited. Raises `NotFoundError`,
    `InvalidFieldsError`, `ConflictError` if the payment has a refund with this way and reference.
    """
    act = Act(actor, as_of, checked_reason(reason))
    reference = reference.strip()
    with transaction.atomic():
        payment = locked_payment(payment_id)
        check_refund(payment, amount_minor, way=way, reference=reference, occurred_at=occurred_at, as_of=as_of)
        if reference and PaymentRefund.objects.filter(payment=payment, way=way, reference=reference).exists():
            raise ConflictError("A refund with this reference was already recorded.")
        refund = PaymentRefund.objects.create(
            tenant_id=payment.tenant_id,
            payment=payment,
            way=way,
            reference=reference,
            amount_minor=amount_minor,
            currency=payment.currency,
            reason=act.reason,
            occurred_at=occurred_at,
            created_at=as_of,
            created_by=actor.label[:254],
        )
        Payment.objects.filter(pk=payment.pk).update(refunded_minor=F("refunded_minor") + amount_minor)
        payment.refresh_from_db(fields=["refunded_minor"])
        book_refund(refund)
        close_spent(payment, act)
        told = {"amount_minor": amount_minor, "way": way, "reference": reference, "reason": act.reason}
        record_payment_change(payment, "payment.refunded", act, told)
    return refund


def check_refund(
    payment: Payment, amount_minor: int, *, way: str, reference: str, occurred_at: datetime, as_of: datetime
) -> None:
    """Check what is said of a refund of a locked payment. Raises `InvalidFieldsError`."""
    refusals = []
    if not 1 <= amount_minor <= payment.unallocated_minor:
        left = money_text(payment.unallocated_minor, payment.currency)
        detail = f"{left} of this payment can be given back: the rest pays invoices, or was given back."
        refusals.append(FieldError("/amount_minor", "invalid_amount", detail))
    if way not in RefundWay.values:
        refusals.append(FieldError("/way", "invalid_way", f"One of: {', '.join(RefundWay.values)}."))
    is_required = way in {RefundWay.BANK_TRANSFER, RefundWay.CHARGEBACK}
    if way == RefundWay.PROVIDER and payment.provider == MANUAL_PROVIDER:
        detail = "No payment provider took this payment: give it back by bank transfer."
        refusals.append(FieldError("/way", "invalid_way", detail))
    problem = line_problem(
        reference, pointer="/reference", characters_max=REFERENCE_CHARACTERS_MAX, is_required=is_required
    )
    if problem is not None:
        refusals.append(problem)
    if not payment.occurred_at <= occurred_at <= as_of:
        detail = "The day is before the payment or in the future."
        refusals.append(FieldError("/occurred_at", "invalid_time", detail))
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))
