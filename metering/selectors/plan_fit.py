"""Whether what was used fits a usage plan: asked before a tenant is moved to it, and finds its requests refused."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.domain.ledger import TENANT_SCOPE, CounterKey, Ledger
from metering.domain.periods import Period, span_of
from metering.models import UsagePlanQuota
from metering.selectors.limits import used_of


@dataclass(frozen=True, slots=True)
class UsedUp:
    """A hard quota of which nothing is left."""

    unit: str
    period: Period
    limit: Decimal
    used: Decimal


def used_up_quotas(*, usage_plan_id: int, ledger: Ledger, at: datetime) -> list[UsedUp]:
    """Those hard quotas of a usage plan that are used up in the day or month of `at` by what is metered until now.

    Two queries.
    """
    quotas = UsagePlanQuota.objects.filter(usage_plan_id=usage_plan_id, is_hard=True).select_related("meter")
    by_counter = {}
    for quota in quotas.order_by("meter__code", "period"):
        span = span_of(Period(quota.period), at, ledger.time_zone)
        by_counter[CounterKey(TENANT_SCOPE, quota.meter_id, span.start, span.end)] = quota
    used = used_of(ledger, by_counter) if by_counter else {}
    return [
        UsedUp(quota.meter.unit, Period(quota.period), quota.limit, used[key])
        for key, quota in by_counter.items()
        if used[key] >= quota.limit
    ]
