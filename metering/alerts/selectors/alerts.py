"""Reads of threshold alerts for tenants and staff."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet

from accounts.domain.pages import Page, PageRequest
from accounts.selectors.pages import page_of
from metering.alerts.domain.alerts import AlertFacts
from metering.alerts.models import TenantAgreement, ThresholdAlert
from metering.domain.periods import Period


def alerts_of_tenant(*, tenant_id: UUID) -> QuerySet[ThresholdAlert]:
    """Return the tenant's alerts with their meters, the newest first."""
    alerts = ThresholdAlert.objects.filter(tenant_id=tenant_id).select_related("meter")
    return alerts.order_by("-occurred_at", "-pk")


def alerts_page(*, tenant_id: UUID, request: PageRequest) -> Page[ThresholdAlert]:
    """Return a page of the tenant's alerts, the newest first."""
    return page_of(alerts_of_tenant(tenant_id=tenant_id), request, instant_field="occurred_at")


def facts_of_alert(alert: ThresholdAlert, *, tenant: str, time_zone: str) -> AlertFacts:
    """Return an alert of the tenant with this slug, as the API shows it."""
    return AlertFacts(
        id=alert.pk,
        tenant=tenant,
        time_zone=time_zone,
        agreement_id=alert.agreement_id,
        meter=alert.meter.code,
        unit=alert.meter.unit,
        quota_period=Period(alert.quota_period),
        period_start_on=alert.period_start_on,
        threshold=alert.threshold,
        limit=alert.limit,
        quantity=alert.quantity,
        occurred_at=alert.occurred_at,
    )


def agreements_of(tenant_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the agreement of each of these tenants that has one."""
    agreements = TenantAgreement.objects.filter(tenant__in=tenant_ids)
    return dict(agreements.values_list("tenant_id", "agreement_id"))
