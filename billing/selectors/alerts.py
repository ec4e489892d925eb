"""Threshold alerts as tenants and staff look at them."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet

from accounts.domain.pages import Page, PageRequest
from accounts.errors import FieldError, InvalidFieldsError
from accounts.models import Tenant
from accounts.selectors.pages import page_of
from billing.domain.alerts import AlertFacts
from billing.models import ThresholdAlert
from metering.domain.periods import Period


def alerts_of_tenant(*, tenant_id: UUID) -> QuerySet[ThresholdAlert]:
    """The tenant's alerts with their meters, the newest first."""
    alerts = ThresholdAlert.objects.filter(tenant_id=tenant_id).select_related("meter")
    return alerts.order_by("-occurred_at", "-pk")


def alerts_page(*, tenant_id: UUID, request: PageRequest) -> Page[ThresholdAlert]:
    """The same by pages of a cursor."""
    return page_of(alerts_of_tenant(tenant_id=tenant_id), request, instant_field="occurred_at")


def facts_of_alert(alert: ThresholdAlert, *, tenant: str, time_zone: str) -> AlertFacts:
    """An alert of the tenant with this slug, as the API tells of it."""
    return AlertFacts(
        id=alert.pk,
        tenant=tenant,
        time_zone=time_zone,
        subscription_id=alert.subscription_id,
        meter=alert.meter.code,
        unit=alert.meter.unit,
        quota_period=Period(alert.quota_period),
        period_start_on=alert.period_start_on,
        threshold=alert.threshold,
        limit=alert.limit,
        quantity=alert.quantity,
        occurred_at=alert.occurred_at,
    )


def tenants_named(slugs: Sequence[str]) -> dict[str, UUID]:
    """The ids of the tenants with these slugs. Raises `InvalidFieldsError` that names each which is unknown."""
    found = dict(Tenant.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    refusals = tuple(
        FieldError(f"/tenants/{position}", "unknown_tenant", "There is no such tenant.")
        for position, slug in enumerate(slugs)
        if slug not in found
    )
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=refusals)
    return found
