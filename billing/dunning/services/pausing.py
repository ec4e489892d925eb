"""Pausing a tenant's dunning with a reason, and resuming it: the steps are later by the length of the pause."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.domain.actor import Actor
from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from billing.dunning.domain.schedules import moved_by_pause
from billing.dunning.domain.states import StepStatus
from billing.dunning.errors import DunningPauseError
from billing.dunning.models import DunningCase, DunningPause, DunningStep
from billing.services.invoicing.status import checked_reason


def pause_dunning(*, tenant: Tenant, reason: str, actor: Actor, as_of: datetime) -> DunningPause:
    """Pause dunning: no mail, no charge, no suspension until it is resumed. What is suspended stays suspended.

    Raises `DunningPauseError` if it is paused already, `InvalidFieldsError` without a reason.
    """
    reason = checked_reason(reason)
    try:
        with transaction.atomic():
            pause = DunningPause.objects.create(
                tenant=tenant, reason=reason, paused_at=as_of, paused_by=actor.label[:254]
            )
            _record(tenant, "dunning.paused", {"reason": reason}, actor, as_of)
    except IntegrityError as error:
        raise DunningPauseError(f"Dunning of {tenant} is paused already.") from error
    return pause


@transaction.atomic
def resume_dunning(*, tenant: Tenant, actor: Actor, as_of: datetime) -> DunningPause:
    """Resume dunning; what was planned is later by the time that the pause took. Raises `DunningPauseError`."""
    pause = DunningPause.objects.select_for_update(no_key=True).filter(tenant=tenant, ended_at=None).first()
    if pause is None:
        raise DunningPauseError(f"Dunning of {tenant} is not paused.")
    DunningPause.objects.filter(pk=pause.pk).update(ended_at=as_of, ended_by=actor.label[:254])
    cases = DunningCase.objects.select_for_update(no_key=True).filter(tenant=tenant, closed_at=None).order_by("pk")
    for case in cases:
        later = moved_by_pause(opened_at=case.opened_at, paused_at=pause.paused_at, resumed_at=as_of)
        DunningStep.objects.filter(case=case, status=StepStatus.PLANNED).update(due_at=F("due_at") + later)
    _record(tenant, "dunning.resumed", {"paused_since": pause.paused_at.isoformat()}, actor, as_of)
    pause.refresh_from_db()
    return pause


def _record(tenant: Tenant, action: str, after: dict[str, object], actor: Actor, as_of: datetime) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=tenant.pk,
        target=AuditTarget("tenant", tenant.pk, tenant.slug),
        after=after,
        as_of=as_of,
    )
