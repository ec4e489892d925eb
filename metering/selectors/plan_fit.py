"""The check whether a tenant's usage fits a usage plan, made before the tenant is moved to it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.domain.ledger import TENANT_SCOPE, CounterKey, Ledger
from metering.domain.periods import Period, span_of
from metering.models import LimitScopes, UsagePlanQuota
from metering.selectors.limits import used_of


@dataclass(frozen=True, slots=True)
class UsedUp:
    """A hard quota that is used up."""

    unit: str
    period: Period
    limit: Decimal
    used: Decimal


def used_up_quotas(*, usage_plan_id: int, ledger: Ledger, at: datetime) -> list[UsedUp]:
    """Return the hard quotas of a usage plan that current usage exhausts in the day or month of `at`.

    Two queries.
    """
    quotas = UsagePlanQuota.objects.filter(
        usage_plan_id=usage_plan_id, is_hard=True, scope=LimitScopes.TENANT
    ).select_related("meter")
    by_counter = {}
    for quota in quotas.order_by("meter__code", "period"):
        span = span_of(Period(quota.period), at, ledger.time_zone, ledger.period_anchor_on)
        by_counter[CounterKey(TENANT_SCOPE, quota.meter_id, span.start, span.end)] = quota
    used = used_of(ledger, by_counter) if by_counter else {}
    return [
        UsedUp(quota.meter.unit, Period(quota.period), quota.limit, used[key])
        for key, quota in by_counter.items()
        if used[key] >= quota.limit
    ]
