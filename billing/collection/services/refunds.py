"""Refunds through providers, and what providers report of refunds and disputes.

A refund that staff ordered is a row of billing's core without a reference: such rows are the queue. The provider is
asked outside of transactions, under the row's id as key; so after a crash in between, it is asked again and gives back
once.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from billing.collection.domain.provider import (
    PaymentNews,
    PaymentProvider,
    RefundOrder,
    RefundState,
    ReportedDispute,
    ReportedRefund,
)
from billing.collection.errors import PaymentProviderError, PaymentRefusedError, ProviderObjectError
from billing.collection.models import ProviderRefund
from billing.collection.selectors.work import refunds_to_push
from billing.models import DisputeState, Payment, PaymentRefund, RefundWay
from billing.services.invoicing.going_back import (
    DisputeToRecord,
    received_payment_named,
    record_dispute,
    record_refund_elsewhere,
    take_back_refund,
)
from billing.services.invoicing.payments import record_payment

ERROR_CHARACTERS_MAX: Final = 300
WITHOUT_ANSWER_MAX: Final = 3
BATCH: Final = 200
KEY_DIGITS_MAX: Final = 18  # those of a bigint


@dataclass(slots=True)
class PushedRefunds:
    """The result of a push: the refunds made, those refused, and the error of a provider that did not respond."""

    made: int = 0
    refused: list[str] = field(default_factory=list)
    away: str = ""


def push_refunds(*, provider: PaymentProvider, as_of: datetime) -> PushedRefunds:
    """Request each refund that staff ordered from a provider. Safe to run twice and at once."""
    done, without_answer = PushedRefunds(), 0
    for refund in list(refunds_to_push(provider=provider.name)[:BATCH]):
        try:
            reported = provider.refund(_order(refund))
        except PaymentRefusedError as error:
            _keep_refusal(provider.name, refund, error.detail, as_of)
            done.refused.append(f"refund of {refund.payment.reference}: {error.detail}")
        except PaymentProviderError as error:
            done.away, without_answer = error.detail, without_answer + 1
            if without_answer >= WITHOUT_ANSWER_MAX:
                break
        else:
            without_answer = 0
            with transaction.atomic():
                _keep(provider.name, refund, reported, as_of)
            done.made += 1
    return done


def _order(refund: PaymentRefund) -> RefundOrder:
    return RefundOrder(
        key=str(refund.pk),
        payment_reference=refund.payment.reference,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        reason=refund.reason,
    )


@transaction.atomic
def _keep_refusal(provider: str, refund: PaymentRefund, error: str, as_of: datetime) -> None:
    _, is_new = ProviderRefund.objects.get_or_create(
        refund=refund,
        defaults={
            "tenant_id": refund.tenant_id,
            "provider": provider,
            "status": ProviderRefund.Status.FAILED,
            "error": error[:ERROR_CHARACTERS_MAX],
        },
    )
    if is_new:
        take_back_refund(refund_id=refund.pk, why=error, as_of=as_of)


def _keep(provider: str, refund: PaymentRefund, reported: ReportedRefund, as_of: datetime) -> None:
    """Store the provider's state of a refund of ours; one that failed is taken back."""
    defaults = {
        "tenant_id": refund.tenant_id,
        "provider": provider,
        "reference": reported.reference,
        "status": str(reported.state),
        "error": reported.error[:ERROR_CHARACTERS_MAX],
    }
    ProviderRefund.objects.update_or_create(refund=refund, defaults=defaults)
    if reported.state is RefundState.FAILED:
        take_back_refund(refund_id=refund.pk, why=reported.error or "The refund failed.", as_of=as_of)


def apply_payment(*, provider: str, tenant_id: UUID, news: PaymentNews, as_of: datetime) -> str:
    """Apply the refunds and disputes of a payment; return what was done as a sentence. Safe to repeat.

    Raises `ProviderObjectError` if the payment is not on record yet.
    """
    if news.payment is not None and news.invoice_id is not None:
        told = news.payment
        record_payment(
            invoice_id=news.invoice_id, provider=provider, reference=told.reference, amount_minor=told.amount_minor,
            currency=told.currency, occurred_at=told.occurred_at or as_of, as_of=as_of,
        )  # fmt: skip
    payment = received_payment_named(provider=provider, reference=news.payment_reference)
    if payment is None:
        raise ProviderObjectError(f"The payment {news.payment_reference} is not on record.")
    if payment.tenant_id != tenant_id:
        raise ProviderObjectError(f"The payment {news.payment_reference} is not its customer's.")
    for refund in news.refunds:
        _apply_refund(payment, refund, as_of)
    for dispute in news.disputes:
        record_dispute(payment=payment, told=_to_record(dispute, as_of), as_of=as_of)
    return f"{len(news.refunds)} refunds and {len(news.disputes)} disputes of {payment.reference} are on record"


def _apply_refund(payment: Payment, reported: ReportedRefund, as_of: datetime) -> None:
    ours = _ordered_here(payment, reported)
    if ours is not None:
        _keep(payment.provider, ours, reported, as_of)
        return
    known = PaymentRefund.objects.filter(payment=payment, way=RefundWay.PROVIDER, reference=reported.reference).first()
    if reported.state is RefundState.FAILED:
        if known is not None:
            take_back_refund(refund_id=known.pk, why=reported.error or "The refund failed.", as_of=as_of)
        return
    if known is None:
        reason = reported.reason.replace("_", " ") or "no reason given"
        record_refund_elsewhere(
            payment=payment, reference=reported.reference, amount_minor=reported.amount_minor,
            reason=f"Refunded at the provider: {reason}.", occurred_at=reported.occurred_at or as_of, as_of=as_of,
        )  # fmt: skip


def _ordered_here(payment: Payment, reported: ReportedRefund) -> PaymentRefund | None:
    named = ProviderRefund.objects.select_related("refund").filter(
        provider=payment.provider, reference=reported.reference, refund__payment=payment
    )
    if found := named.first():
        return found.refund
    if not reported.key.isascii() or not reported.key.isdigit() or len(reported.key) > KEY_DIGITS_MAX:
        return None
    ordered = PaymentRefund.objects.filter(pk=int(reported.key), payment=payment, way=RefundWay.PROVIDER, reverses=None)
    return ordered.first()


def _to_record(dispute: ReportedDispute, as_of: datetime) -> DisputeToRecord:
    return DisputeToRecord(
        reference=dispute.reference,
        state=DisputeState(dispute.phase),
        amount_minor=dispute.amount_minor,
        currency=dispute.currency,
        reason=dispute.reason,
        answer_by=dispute.answer_by,
        occurred_at=dispute.occurred_at or as_of,
    )
