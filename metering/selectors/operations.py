"""Figures over all tenants for the operator's staff, each by one statement of bounded cost.

An event counts in every meter of its type. So the number of events of a type is that of its meter with the most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from uuid import UUID

from django.db.models import Count

from accounts.sql import fetch_all
from metering.domain.aggregations.registry import ADDITIVE_CODES
from metering.domain.periods import Period
from metering.models import IngestVerdict
from metering.selectors.period_sql import first_day

_PERCENT_STEP: Final = Decimal("0.1")

EVENTS_BY_HOUR = """
WITH by_meter AS (
    SELECT hour, meter_id, sum(events) AS events FROM usage_hour
    WHERE is_live AND hour >= %(start)s AND hour < %(end)s GROUP BY 1, 2
),
by_type AS (
    SELECT b.hour, m.event_type_id, max(b.events) AS events
    FROM by_meter AS b JOIN metering_meter AS m ON m.id = b.meter_id GROUP BY 1, 2
)
SELECT hour, sum(events)::bigint FROM by_type GROUP BY 1
"""

# A quota's period is of whole days of the tenant's time zone, as in the daily rollup.
QUOTA_USES = f"""
SELECT t.id, m.code, m.name, m.unit, q.period, q.limit, q.is_hard, coalesce(u.used, 0)
FROM accounts_tenant AS t
JOIN metering_usageplanassignment AS a ON a.tenant_id = t.id
JOIN metering_usageplanquota AS q ON q.usage_plan_id = a.usage_plan_id AND q.scope = 'tenant'
JOIN metering_meter AS m ON m.id = q.meter_id
CROSS JOIN LATERAL (SELECT (%(as_of)s::timestamptz AT TIME ZONE t.time_zone)::date AS today) AS local
LEFT JOIN LATERAL (
    SELECT sum(d.quantity) AS used FROM usage_day AS d
    WHERE d.tenant_id = t.id AND d.is_live AND d.meter_id = q.meter_id AND d.day <= local.today
        AND d.day >= {first_day("q.period", "local.today", "t.period_anchor_on")}
) AS u ON true
WHERE (%(tenant_ids)s::uuid[] IS NULL OR t.id = ANY(%(tenant_ids)s::uuid[])) AND t.status <> 'closed'
ORDER BY t.id, m.code, q.period
"""

USAGE_BY_METER = """
SELECT m.code, m.name, m.unit, coalesce(sum(h.quantity) FILTER (WHERE h.hour >= %(middle)s), 0),
    coalesce(sum(h.quantity) FILTER (WHERE h.hour < %(middle)s), 0)
FROM metering_meter AS m LEFT JOIN usage_hour AS h ON h.meter_id = m.id AND h.is_live AND h.hour >= %(start)s
    AND h.hour < %(end)s
WHERE m.aggregation = ANY(%(additive)s::text[])
GROUP BY m.code, m.name, m.unit ORDER BY m.code
"""

LAST_PARTITION = """
SELECT max(substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''([0-9]{4}-[0-9]{2}-[0-9]{2})'))
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'event'::regclass
"""


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """A tenant's usage of one quota in the current period."""

    tenant_id: UUID
    meter: str
    meter_name: str
    unit: str
    period: Period
    limit: Decimal
    is_hard: bool
    used: Decimal

    @property
    def percent(self) -> Decimal:
        """Return the used percentage of the limit, to one place. A limit of 0 counts as used up."""
        if not self.limit:
            return Decimal(100)
        return (self.used * 100 / self.limit).quantize(_PERCENT_STEP, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class MeterTotals:
    """A meter's usage over all tenants in a span, and in the span of the same length before it."""

    code: str
    name: str
    unit: str
    quantity: Decimal
    quantity_before: Decimal


def events_by_hour(*, start: datetime, end: datetime) -> dict[datetime, int]:
    """Return the number of live events in each hour of UTC; hours without any are left out."""
    return {hour.astimezone(UTC): events for hour, events in fetch_all(EVENTS_BY_HOUR, {"start": start, "end": end})}


def usage_totals(*, start: datetime, end: datetime) -> list[MeterTotals]:
    """Return the usage of each additive meter over all tenants from `start` to `end`, and in an equal span before.

    Both bounds are whole hours.
    """
    rows = fetch_all(
        USAGE_BY_METER, {"start": start - (end - start), "middle": start, "end": end, "additive": ADDITIVE_CODES}
    )
    return [MeterTotals(*row) for row in rows]


def quota_uses(*, as_of: datetime, tenant_ids: Sequence[UUID] | None = None) -> dict[UUID, list[QuotaUse]]:
    """Return usage against each quota of the usage plan, for these tenants or for all, by one statement."""
    uses: dict[UUID, list[QuotaUse]] = {}
    parameters = {"as_of": as_of, "tenant_ids": None if tenant_ids is None else list(tenant_ids)}
    for row in fetch_all(QUOTA_USES, parameters):
        tenant_id, meter, meter_name, unit, period, limit, is_hard, used = row
        use = QuotaUse(tenant_id, meter, meter_name, unit, Period(period), limit, is_hard, used)
        uses.setdefault(use.tenant_id, []).append(use)
    return uses


def refusals_since(start: datetime) -> dict[str, int]:
    """Return the number of duplicates, conflicts and rejections since then; a request stores its first fifty."""
    rows = IngestVerdict.objects.filter(is_live=True, received_at__gte=start).order_by().values_list("verdict")
    return dict(rows.annotate(number=Count("pk")))


def partition_days_ahead(*, as_of: datetime) -> int:
    """Return for how many days from now there are partitions; negative if events are refused already."""
    ((end,),) = fetch_all(LAST_PARTITION, {})
    return (date.fromisoformat(end) - as_of.astimezone(UTC).date()) // timedelta(days=1) if end else -1
