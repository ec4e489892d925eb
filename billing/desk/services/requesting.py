"""Asking for an act that needs a colleague, and taking the request back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.errors import NotFoundError
from accounts.services.audit import AuditTarget, record_audit
from billing.desk.domain.approvals import APPROVAL_TRANSITIONS, OPEN_FOR, ApprovalKind, ApprovalStatus
from billing.desk.errors import ApprovalError
from billing.desk.models import Approval
from billing.domain.statuses import statuses_before
from billing.models import Invoice, Payment

TOO_LATE = "It was not decided in time."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: an act over an amount, on an invoice or a payment; `details` is what else it needs."""

    kind: ApprovalKind
    tenant_id: UUID
    amount_minor: int
    currency: str
    reason: str
    invoice: Invoice | None = None
    payment: Payment | None = None
    details: Mapping[str, object] = field(default_factory=dict)


def request_approval(wanted: Wanted, *, actor: Actor, as_of: datetime) -> Approval:
    """Store the request, in the caller's transaction, which has locked the object.

    Raises `ApprovalError` if the same is requested already, or the actor is no person.
    """
    assert connection.in_atomic_block, "the object is locked"
    if actor.user_id is None:
        raise ApprovalError("This needs a colleague's approval, so only a member of staff can request it.")
    _refuse_second(wanted, as_of)
    approval = Approval.objects.create(
        id=uuid7(as_of),
        tenant_id=wanted.tenant_id,
        kind=wanted.kind,
        invoice=wanted.invoice,
        payment=wanted.payment,
        amount_minor=wanted.amount_minor,
        currency=wanted.currency,
        details=dict(wanted.details),
        reason=wanted.reason,
        requester_id=actor.user_id,
        requested_at=as_of,
        expires_at=as_of + OPEN_FOR,
    )
    record_decision(approval, "approval.requested", actor=actor, as_of=as_of)
    return approval


def withdraw_approval(*, approval_id: UUID, actor: Actor, as_of: datetime) -> Approval:
    """Take back a request of one's own. Raises `NotFoundError`, `ApprovalError`."""
    with transaction.atomic():
        approval = locked_approval(approval_id)
        if approval.requester_id != actor.user_id:
            raise ApprovalError("Only the person who made the request can withdraw it. You can reject it.")
        decide(approval, ApprovalStatus.WITHDRAWN, actor=actor, reason="", as_of=as_of)
    return approval


def locked_approval(approval_id: UUID) -> Approval:
    """Return the open request, locked until the transaction ends. Raises `NotFoundError`, `ApprovalError`."""
    approval = (
        Approval.objects.select_for_update(no_key=True, of=("self",))
        .select_related("tenant")
        .filter(pk=approval_id)
        .first()
    )
    if approval is None:
        raise NotFoundError("There is no such request.")
    if approval.status != ApprovalStatus.OPEN:
        raise ApprovalError(f"The request is {approval.status} already.")
    return approval


def decide(approval: Approval, status: ApprovalStatus, *, actor: Actor | None, reason: str, as_of: datetime) -> None:
    """Close a locked request by compare-and-set; without an actor it lapses by itself."""
    decider_id = None if actor is None else actor.user_id
    before = statuses_before(APPROVAL_TRANSITIONS, status)
    moved = Approval.objects.filter(pk=approval.pk, status__in=before).update(
        status=status, decider=decider_id, decided_at=as_of, decision_reason=reason[:200]
    )
    assert moved == 1, "the request is locked"
    approval.refresh_from_db(fields=["status", "decider", "decided_at", "decision_reason"])
    by = Actor.system("approvals") if actor is None else actor
    record_decision(approval, f"approval.{status}", actor=by, as_of=as_of)


def record_decision(approval: Approval, action: str, *, actor: Actor, as_of: datetime) -> None:
    """Add the audit entry of a request."""
    record_audit(
        actor=actor,
        action=action,
        tenant_id=approval.tenant_id,
        target=AuditTarget("approval", approval.pk, str(approval)),
        after={
            "kind": approval.kind,
            "amount_minor": approval.amount_minor,
            "currency": approval.currency,
            "reason": approval.decision_reason or approval.reason,
        },
        as_of=as_of,
    )


def _refuse_second(wanted: Wanted, as_of: datetime) -> None:
    """Refuse a request beside an open one of the same; one that is too old lapses."""
    if wanted.invoice is None and wanted.payment is None:
        return
    same = Approval.objects.select_for_update(no_key=True).filter(
        kind=wanted.kind, status=ApprovalStatus.OPEN, invoice=wanted.invoice, payment=wanted.payment
    )
    for known in same:
        if known.expires_at > as_of:
            raise ApprovalError("A colleague's approval was already requested.")
        decide(known, ApprovalStatus.LAPSED, actor=None, reason=TOO_LATE, as_of=as_of)
