"""Members call an anomaly fine, or take that back: its level is then expected, or it is not any more."""

from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Capability
from accounts.errors import ConflictError
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability
from metering.alerts.domain.alerts import AlertKind
from metering.alerts.models import AcceptedAnomaly, ThresholdAlert


@transaction.atomic
def accept_anomaly(*, alert: ThresholdAlert, actor: Actor, as_of: datetime) -> bool:
    """Store that an anomaly is fine. Return False if someone did before.

    Raises `PermissionMissingError`, and `ConflictError` for an alert of another kind.
    """
    _check(alert, actor)
    accepted, is_new = AcceptedAnomaly.objects.get_or_create(
        alert=alert, defaults={"tenant_id": alert.tenant_id, "accepted_at": as_of}
    )
    if is_new:
        _audit(alert, actor, "anomaly.accepted", before=False, as_of=accepted.accepted_at)
    return is_new


@transaction.atomic
def take_acceptance_back(*, alert: ThresholdAlert, actor: Actor, as_of: datetime) -> bool:
    """Delete what `accept_anomaly` stored. Return False if nothing was stored.

    Raises `PermissionMissingError`, and `ConflictError` for an alert of another kind.
    """
    _check(alert, actor)
    deleted, _ = AcceptedAnomaly.objects.filter(alert=alert).delete()
    if deleted:
        _audit(alert, actor, "anomaly.not_accepted", before=True, as_of=as_of)
    return bool(deleted)


def _check(alert: ThresholdAlert, actor: Actor) -> None:
    lock_tenant(alert.tenant_id)
    # Who may manage keys decides what is usual: a viewer must not silence warnings about a stolen key.
    require_capability(actor, alert.tenant_id, Capability.MANAGE_KEYS)
    if alert.kind != AlertKind.ANOMALY:
        raise ConflictError("Only an anomaly can be called fine.")


def _audit(alert: ThresholdAlert, actor: Actor, action: str, *, before: bool, as_of: datetime) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=alert.tenant_id,
        target=AuditTarget("alert", alert.pk, str(alert)),
        before={"is_fine": before},
        after={"is_fine": not before, "quantity": alert.quantity, "pattern": alert.pattern},
        as_of=as_of,
    )
