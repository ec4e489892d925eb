"""Deciding about what a colleague asks for: approved, it takes effect in the same transaction."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.errors import NotFoundError, ProblemError
from billing.desk.domain.approvals import ApprovalKind, ApprovalStatus
from billing.desk.errors import ApprovalError
from billing.desk.models import Approval
from billing.desk.services.items import add_approved
from billing.desk.services.refunding import refund_approved
from billing.desk.services.requesting import TOO_LATE, decide, locked_approval
from billing.desk.services.writing_invoices import write_approved
from billing.desk.services.writing_off import write_off_approved
from billing.services.invoicing.allocating import locked_payment
from billing.services.invoicing.status import checked_reason, locked_invoice

ACTS: Final[Mapping[str, Callable[..., object]]] = {
    ApprovalKind.WRITE_OFF: write_off_approved,
    ApprovalKind.REFUND: refund_approved,
    ApprovalKind.MANUAL_INVOICE: write_approved,
    ApprovalKind.SINGLE_ITEM: add_approved,
}


def approve(*, approval_id: UUID, actor: Actor, as_of: datetime) -> Approval:
    """Approve a colleague's request, and do what it asks for, once.

    If that is no longer possible, because its object has changed or it is too old, the request lapses and says why.
    Raises `NotFoundError`, `ApprovalError`, also for one's own request.
    """
    with transaction.atomic():
        approval = _locked_with_object(approval_id)
        if actor.user_id is None or actor.user_id == approval.requester_id:
            raise ApprovalError("You cannot approve your own request. A colleague has to decide.")
        why_not = TOO_LATE if approval.expires_at <= as_of else _done(approval, actor, as_of)
        if why_not:
            decide(approval, ApprovalStatus.LAPSED, actor=None, reason=why_not, as_of=as_of)
        else:
            decide(approval, ApprovalStatus.APPROVED, actor=actor, reason="", as_of=as_of)
    if why_not:  # after the commit, so that the request is closed
        raise ApprovalError(f"Not done, and the request is closed. {why_not}")
    return approval


def reject(*, approval_id: UUID, reason: str, actor: Actor, as_of: datetime) -> Approval:
    """Turn a request down. Raises `NotFoundError`, `ApprovalError`, `InvalidFieldsError`."""
    reason = checked_reason(reason)
    with transaction.atomic():
        approval = locked_approval(approval_id)
        decide(approval, ApprovalStatus.REJECTED, actor=actor, reason=reason, as_of=as_of)
    return approval


def _locked_with_object(approval_id: UUID) -> Approval:
    """Lock the request after what it is about, in the order of the request itself, so that no deadlock arises."""
    seen = Approval.objects.filter(pk=approval_id).first()
    if seen is None:
        raise NotFoundError("There is no such request.")
    if seen.invoice_id is not None:
        locked_invoice(seen.invoice_id)
    if seen.payment_id is not None:
        locked_payment(seen.payment_id)
    return locked_approval(approval_id)


def _done(approval: Approval, actor: Actor, as_of: datetime) -> str:
    """Return why the act is not possible; if it is, perform it and return nothing."""
    try:
        with transaction.atomic():
            ACTS[approval.kind](approval, actor=actor, as_of=as_of)
    except ProblemError as error:
        return error.detail
    return ""
