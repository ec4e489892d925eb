"""Viewing as a customer, recorded: beginning and end are in the tenant's audit log, with who, why and how long.

The end is recorded once: when the member of staff stops, when a request finds the viewing over, or by a schedule if no
further request comes.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.job_report import JobReport
from accounts.domain.roles import Role
from accounts.domain.viewing import Viewing, ViewingEnd
from accounts.models import AuditEntry, Membership
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant

VIEWING_BEGAN: Final = "tenant.viewed_as_customer"
VIEWING_ENDED: Final = "tenant.viewing_ended"
REASON_CHARACTERS_MAX: Final = 200
_LOOKED_BACK: Final = timedelta(days=3)  # longer than any viewing, and than a worker is away


def begin_viewing(
    *, membership: Membership, reason: str, lasts_at_most: timedelta, actor: Actor, as_of: datetime
) -> Viewing:
    """Record that a member of staff begins to view as this member, and return the viewing. The caller has checked both.

    Page views are not recorded, since nothing can be changed.
    """
    assert actor.user_id is not None, "staff are people"
    viewing = Viewing(
        id=uuid7(as_of),
        tenant_id=membership.tenant_id,
        membership_id=membership.pk,
        member_label=membership.user.email,
        role=Role(membership.role),
        staff_id=actor.user_id,
        staff_label=actor.label,
        reason=reason,
        began_at=as_of,
        ends_at=as_of + lasts_at_most,
    )
    record_audit(
        actor=actor,
        action=VIEWING_BEGAN,
        tenant_id=viewing.tenant_id,
        target=_target(viewing),
        after={"reason": reason, "role": viewing.role, "ends_at": viewing.ends_at, "viewing": viewing.id},
        as_of=as_of,
    )
    return viewing


def end_viewing(
    *, viewing: Viewing, how: ViewingEnd, as_of: datetime, ip: str | None = None, request_id: str = ""
) -> None:
    """Record the end once: of two requests that find a viewing over, one does."""
    with transaction.atomic():
        lock_tenant(viewing.tenant_id)
        ends = AuditEntry.objects.filter(tenant_id=viewing.tenant_id, action=VIEWING_ENDED)
        if ends.filter(occurred_at__gte=viewing.began_at, after__viewing=str(viewing.id)).exists():
            return
        record_audit(
            actor=Actor.staff(user_id=viewing.staff_id, label=viewing.staff_label, ip=ip, request_id=request_id),
            action=VIEWING_ENDED,
            tenant_id=viewing.tenant_id,
            target=_target(viewing),
            after={
                "reason": viewing.reason,
                "role": viewing.role,
                "how": how,
                "lasted": viewing.lasted_until(as_of),
                "viewing": viewing.id,
            },
            as_of=min(as_of, viewing.ends_at),
        )


def end_viewings_left(*, as_of: datetime) -> JobReport:
    """Record the end of each viewing whose time ran out without a further request."""
    ended = AuditEntry.objects.filter(action=VIEWING_ENDED, after__viewing=OuterRef("after__viewing"))
    begun = AuditEntry.objects.filter(
        action=VIEWING_BEGAN, occurred_at__gt=as_of - _LOOKED_BACK, after__has_key="viewing"
    )
    left = [viewing for entry in begun.exclude(Exists(ended)) if (viewing := _viewing_of(entry)).ends_at <= as_of]
    for viewing in left:
        end_viewing(viewing=viewing, how=ViewingEnd.TIME, as_of=as_of)
    return JobReport({"ended": len(left)})


def _target(viewing: Viewing) -> AuditTarget:
    return AuditTarget("membership", viewing.membership_id, viewing.member_label)


def _viewing_of(entry: AuditEntry) -> Viewing:
    assert entry.tenant_id is not None, "a viewing is of a tenant"
    assert entry.actor_user_id is not None, "staff are people"
    return Viewing(
        id=UUID(entry.after["viewing"]),
        tenant_id=entry.tenant_id,
        membership_id=int(entry.target_id),
        member_label=entry.target_label,
        role=Role(entry.after["role"]),
        staff_id=entry.actor_user_id,
        staff_label=entry.actor_label,
        reason=entry.after["reason"],
        began_at=entry.occurred_at,
        ends_at=datetime.fromisoformat(entry.after["ends_at"]),
    )
