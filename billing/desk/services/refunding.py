"""Refunds of staff: above the limit a colleague approves them."""

from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from billing.desk.domain.approvals import ApprovalKind
from billing.desk.models import Approval
from billing.desk.selectors.limits import needs_approval
from billing.desk.services.requesting import Wanted, request_approval
from billing.models import PaymentRefund
from billing.services.invoicing.allocating import locked_payment
from billing.services.invoicing.refunding import check_refund, record_refund
from billing.services.invoicing.status import checked_reason


def refund_payment(
    *,
    payment_id: int,
    amount_minor: int,
    way: str,
    reference: str,
    reason: str,
    occurred_at: datetime,
    actor: Actor,
    as_of: datetime,
) -> PaymentRefund | Approval:
    """Store that money of a payment was given back, or request it if the amount needs a colleague.

    Raises what `record_refund` does, and `ApprovalError`.
    """
    reason, reference = checked_reason(reason), reference.strip()
    with transaction.atomic():
        payment = locked_payment(payment_id)
        if not needs_approval(amount_minor, payment.currency, as_of=as_of):
            return record_refund(
                payment_id=payment_id, amount_minor=amount_minor, way=way, reference=reference, reason=reason,
                occurred_at=occurred_at, actor=actor, as_of=as_of,
            )  # fmt: skip
        check_refund(payment, amount_minor, way=way, reference=reference, occurred_at=occurred_at, as_of=as_of)
        wanted = Wanted(
            ApprovalKind.REFUND, payment.tenant_id, amount_minor, payment.currency, reason, payment=payment,
            details={"way": way, "reference": reference, "occurred_at": occurred_at.isoformat()},
        )  # fmt: skip
        return request_approval(wanted, actor=actor, as_of=as_of)


def refund_approved(approval: Approval, *, actor: Actor, as_of: datetime) -> PaymentRefund:
    """Store the refund that a locked request asks for. Raises `InvalidFieldsError`, `ConflictError`."""
    assert approval.payment_id is not None, "a refund is of a payment"
    said = approval.details
    return record_refund(
        payment_id=approval.payment_id, amount_minor=approval.amount_minor, way=said["way"],
        reference=said["reference"], reason=approval.reason, occurred_at=datetime.fromisoformat(said["occurred_at"]),
        actor=actor, as_of=as_of,
    )  # fmt: skip
