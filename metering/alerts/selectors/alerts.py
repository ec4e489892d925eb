"""Reads of threshold alerts for tenants and staff."""

from collections.abc import Collection
from datetime import date
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from accounts.domain.pages import Page, PageRequest
from accounts.domain.principal import TenantFacts
from accounts.selectors.pages import page_of
from metering.alerts.domain.alerts import USED_UP, AlertFacts, AlertKind, AlertPeriod, CrossingDays
from metering.alerts.domain.anomalies import Pattern
from metering.alerts.models import TenantAgreement, ThresholdAlert
from metering.domain.periods import Period


def alerts_of_tenant(*, tenant_id: UUID) -> QuerySet[ThresholdAlert]:
    """Return the tenant's alerts with their meters, the newest first."""
    alerts = ThresholdAlert.objects.filter(tenant_id=tenant_id).select_related("meter")
    return alerts.order_by("-occurred_at", "-pk")


def anomaly_of_tenant(*, tenant_id: UUID, alert_id: int) -> ThresholdAlert | None:
    """Return an anomaly of the tenant with what was said about it; None if the tenant has no such alert."""
    anomalies = alerts_of_tenant(tenant_id=tenant_id).select_related("accepted")
    return anomalies.filter(pk=alert_id, kind=AlertKind.ANOMALY).first()


def alerts_page(*, tenant_id: UUID, request: PageRequest) -> Page[ThresholdAlert]:
    """Return a page of the tenant's alerts, the newest first."""
    return page_of(alerts_of_tenant(tenant_id=tenant_id), request, instant_field="occurred_at")


def facts_of_alert(alert: ThresholdAlert, *, tenant: TenantFacts) -> AlertFacts:
    """Return an alert of the tenant, as the API shows it."""
    return AlertFacts(
        id=alert.pk,
        kind=AlertKind(alert.kind),
        tenant=tenant.slug,
        agreement_id=alert.agreement_id,
        meter=alert.meter.code if alert.meter else None,
        unit=alert.meter.unit if alert.meter else None,
        quota_period=period_of_alert(alert, time_zone=tenant.time_zone, anchor_on=tenant.period_anchor_on),
        threshold=alert.threshold,
        threshold_quantity=alert.threshold_quantity,
        limit=alert.limit,
        quantity=alert.quantity,
        occurred_at=alert.occurred_at,
        currency=alert.currency or None,
        budget_id=alert.budget_id,
        subject=alert.subject or None,
        api_key_id=alert.api_key_id,
        window_start_at=alert.window_start_at,
        expected=alert.expected,
        pattern=Pattern(alert.pattern) if alert.pattern else None,
        window_end_at=alert.window_end_at,
        crossing=crossing_of_alert(alert),
    )


def crossing_of_alert(alert: ThresholdAlert) -> CrossingDays | None:
    """Return the days of a predicted crossing; None for another alert."""
    if alert.crosses_on is None or alert.crosses_on_min is None or alert.crosses_on_max is None:
        return None
    return CrossingDays(alert.crosses_on, alert.crosses_on_min, alert.crosses_on_max)


def predicted_crossings_of(*, tenant_id: UUID, today: date) -> list[ThresholdAlert]:
    """Return the predicted crossings whose days are not over and whose quota is not used up yet, the next first."""
    used_up = ThresholdAlert.objects.filter(
        tenant_id=tenant_id,
        kind=AlertKind.THRESHOLD,
        threshold=USED_UP,
        meter_id=OuterRef("meter_id"),
        quota_period=OuterRef("quota_period"),
        period_start_on=OuterRef("period_start_on"),
    )
    predicted = alerts_of_tenant(tenant_id=tenant_id).filter(kind=AlertKind.FORECAST, crosses_on_max__gte=today)
    return list(predicted.exclude(Exists(used_up)).order_by("crosses_on", "pk"))


def period_of_alert(alert: ThresholdAlert, *, time_zone: str, anchor_on: date | None) -> AlertPeriod | None:
    """Return the period of the alert's quota or budget; None for an alert that has none, such as an anomaly."""
    if not alert.quota_period or alert.period_start_on is None:
        return None
    return AlertPeriod(Period(alert.quota_period), alert.period_start_on, time_zone, anchor_on)


def agreements_of(tenant_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the agreement of each of these tenants that has one."""
    agreements = TenantAgreement.objects.filter(tenant__in=tenant_ids)
    return dict(agreements.values_list("tenant_id", "agreement_id"))
