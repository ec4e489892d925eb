"""Stripe's refunds and disputes as values of the provider protocol. Pure."""

from typing import Final

from billing.collection.domain.provider import DisputePhase, RefundState, ReportedDispute, ReportedRefund
from billing.collection.errors import ProviderObjectError
from billing.collection.gateways.stripe.objects import (
    REFUND_KEY,
    Json,
    from_stripe_amount,
    inner,
    instant,
    required,
    required_whole,
    text,
)

# `requires_action`: the customer must still do something, as with some bank transfers.
_REFUND_STATES: Final = {
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}
_DISPUTE_PHASES: Final = {
    "warning_needs_response": DisputePhase.INQUIRY,
    "warning_under_review": DisputePhase.INQUIRY,
    "warning_closed": DisputePhase.WON,
    "needs_response": DisputePhase.OPEN,
    "under_review": DisputePhase.OPEN,
    "prevented": DisputePhase.WON,
    "won": DisputePhase.WON,
    "lost": DisputePhase.LOST,
}


def read_refund(refund: Json) -> ReportedRefund:
    """Read a refund."""
    currency = required(refund, "currency").upper()
    status = required(refund, "status")
    if status not in _REFUND_STATES:
        raise ProviderObjectError(f"A refund at Stripe is {status[:40]!r}, which we do not know.")
    failure = text(refund, "failure_reason").replace("_", " ")
    return ReportedRefund(
        reference=required(refund, "id"),
        amount_minor=from_stripe_amount(required_whole(refund, "amount"), currency),
        currency=currency,
        state=_REFUND_STATES[status],
        occurred_at=instant(refund, "created"),
        key=text(inner(refund, "metadata"), REFUND_KEY),
        reason=text(refund, "reason"),
        error=f"Stripe reports: {failure or status}." if _REFUND_STATES[status] is RefundState.FAILED else "",
    )


def read_dispute(dispute: Json) -> ReportedDispute:
    """Read a dispute."""
    currency = required(dispute, "currency").upper()
    status = required(dispute, "status")
    if status not in _DISPUTE_PHASES:
        raise ProviderObjectError(f"A dispute at Stripe is {status[:40]!r}, which we do not know.")
    phase = _DISPUTE_PHASES[status]
    return ReportedDispute(
        reference=required(dispute, "id"),
        amount_minor=from_stripe_amount(required_whole(dispute, "amount"), currency),
        currency=currency,
        phase=phase,
        reason=text(dispute, "reason"),
        answer_by=instant(inner(dispute, "evidence_details"), "due_by") if "needs_response" in status else None,
        occurred_at=instant(dispute, "created"),
    )
