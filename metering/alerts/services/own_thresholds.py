"""A tenant's own thresholds: created and deleted. The next pass of the monitor compares usage with them."""

from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.plain import plain_decimal
from accounts.domain.roles import Capability
from accounts.errors import FieldError, InvalidFieldsError, NotFoundError
from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability
from metering.alerts.domain.own_thresholds import OWN_THRESHOLDS_MAX, OwnThresholdTerms, check_own_threshold
from metering.alerts.models import OwnThreshold
from metering.errors import AlertThresholdExistsError, TooManyAlertThresholdsError
from metering.models import Meter


def create_own_threshold(*, tenant: Tenant, terms: OwnThresholdTerms, actor: Actor, as_of: datetime) -> OwnThreshold:
    """Create a threshold. If usage of the current period is beyond it already, the next pass raises its alert.

    Raises `InvalidFieldsError`, `PermissionMissingError`, `AlertThresholdExistsError`, `TooManyAlertThresholdsError`.
    """
    check_own_threshold(terms)
    with transaction.atomic():
        locked = lock_tenant(tenant.pk)
        require_capability(actor, tenant.pk, Capability.MANAGE_TENANT)
        meter = Meter.objects.filter(code=terms.meter_code).first()
        if meter is None:
            detail = "No meter has this code."
            raise InvalidFieldsError(detail, field_errors=(FieldError("/meter", "unknown_meter", detail),))
        if OwnThreshold.objects.filter(tenant=locked).count() >= OWN_THRESHOLDS_MAX:
            raise TooManyAlertThresholdsError(f"An organisation has at most {OWN_THRESHOLDS_MAX} own thresholds.")
        threshold = OwnThreshold(
            id=uuid7(as_of),
            tenant=locked,
            meter=meter,
            quota_period=terms.period.value,
            threshold=terms.percent,
            threshold_quantity=terms.quantity,
            created_at=as_of,
        )
        try:
            with transaction.atomic():
                threshold.save(force_insert=True)
        except IntegrityError as error:
            raise AlertThresholdExistsError("This quota has this threshold already.") from error
        _audit(actor, "alert_threshold.created", threshold, as_of, before={}, after=_facts(threshold))
    return threshold


def delete_own_threshold(*, threshold: OwnThreshold, actor: Actor, as_of: datetime) -> None:
    """Delete a threshold. Its alerts stay. Raises `PermissionMissingError`, `NotFoundError`."""
    with transaction.atomic():
        lock_tenant(threshold.tenant_id)
        require_capability(actor, threshold.tenant_id, Capability.MANAGE_TENANT)
        rows = OwnThreshold.objects.select_for_update(of=("self",)).select_related("meter")
        current: OwnThreshold | None = rows.filter(pk=threshold.pk).first()
        if current is None:
            raise NotFoundError("There is no such threshold.")
        _audit(actor, "alert_threshold.deleted", current, as_of, before=_facts(current), after={})
        current.delete()


def _facts(threshold: OwnThreshold) -> dict[str, object]:
    quantity = threshold.threshold_quantity
    return {
        "meter": threshold.meter.code,
        "quota_period": threshold.quota_period,
        "threshold": threshold.threshold,
        "threshold_quantity": None if quantity is None else plain_decimal(quantity),
    }


def _audit(
    actor: Actor,
    action: str,
    threshold: OwnThreshold,
    as_of: datetime,
    *,
    before: dict[str, object],
    after: dict[str, object],
) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=threshold.tenant_id,
        target=AuditTarget("alert_threshold", threshold.pk, str(threshold)),
        before=before,
        after=after,
        as_of=as_of,
    )
