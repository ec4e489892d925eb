"""A tenant's own thresholds, with the quota that each is compared with now."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet

from accounts.domain.pages import Page, PageRequest
from accounts.errors import NotFoundError
from accounts.selectors.pages import page_of
from metering.alerts.models import OwnThreshold
from metering.models import UsagePlanQuota

# A meter and a period, and the limit of the quota on them.
QuotaLimits = dict[tuple[int, str], Decimal]


def own_thresholds_of(*, tenant_id: UUID) -> QuerySet[OwnThreshold]:
    """Return all own thresholds of the tenant with their meters, newest first: there are few."""
    return OwnThreshold.objects.filter(tenant_id=tenant_id).select_related("meter")


def own_thresholds_page(*, tenant_id: UUID, request: PageRequest) -> Page[OwnThreshold]:
    """Return a page of the tenant's own thresholds, newest first."""
    return page_of(own_thresholds_of(tenant_id=tenant_id), request, instant_field="created_at", parse_id=UUID)


def own_threshold_of(*, tenant_id: UUID, threshold_id: UUID) -> OwnThreshold:
    """Return one of the tenant's own thresholds. Raises `NotFoundError`, also for another tenant's."""
    threshold = own_thresholds_of(tenant_id=tenant_id).filter(pk=threshold_id).first()
    if threshold is None:
        raise NotFoundError("There is no such threshold.")
    return threshold


def quotas_with_alerts(*, tenant_id: UUID) -> Iterable[UsagePlanQuota]:
    """Return the quotas of the tenant's usage plan that raise alerts, with their meters."""
    quotas = UsagePlanQuota.objects.filter(usage_plan__assignments__tenant_id=tenant_id, scope="tenant", limit__gt=0)
    return quotas.select_related("meter").order_by("meter__name", "period")


def limits_with_alerts(*, tenant_id: UUID) -> QuotaLimits:
    """Return the limit of each quota that raises alerts, by its meter's id and period."""
    return {(quota.meter_id, quota.period): quota.limit for quota in quotas_with_alerts(tenant_id=tenant_id)}
