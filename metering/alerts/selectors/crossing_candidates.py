"""Quotas that may be used up before their period ends: one statement for all tenants, before any forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from accounts.sql import fetch_all
from metering.selectors.period_sql import end_day, first_day

# Twice the mean day of four weeks for each day that is left: less cannot be a forecast that is worth a look. A quota by
# day has no day ahead, and one whose crossing was told in this period is not told again.
CROSSING_CANDIDATES: Final = f"""
WITH quota AS MATERIALIZED (
    SELECT t.id AS tenant_id, q.meter_id, q.period, q.limit AS allowed, q.is_hard, p.first_day, p.today,
        {end_day("q.period", "p.first_day", "t.period_anchor_on")} AS end_day
    FROM accounts_tenant AS t
    JOIN metering_usageplanassignment AS a ON a.tenant_id = t.id
    JOIN metering_usageplanquota AS q ON q.usage_plan_id = a.usage_plan_id AND q.limit > 0 AND q.scope = 'tenant'
        AND q.period <> 'day'
    CROSS JOIN LATERAL (
        SELECT today, {first_day("q.period", "today", "t.period_anchor_on")} AS first_day
        FROM (SELECT (%(as_of)s::timestamptz AT TIME ZONE t.time_zone)::date AS today) AS now
    ) AS p
    WHERE t.status = 'active' AND (%(tenant_ids)s::uuid[] IS NULL OR t.id = ANY(%(tenant_ids)s::uuid[]))
)
SELECT q.tenant_id, q.meter_id, m.code, m.name, m.unit, q.period, q.first_day, q.end_day, q.allowed, q.is_hard, u.used
FROM quota AS q
JOIN metering_meter AS m ON m.id = q.meter_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.quantity) FILTER (WHERE d.day >= q.first_day), 0) AS used,
        coalesce(sum(d.quantity) FILTER (WHERE d.day < q.today AND d.day >= q.today - 28), 0) AS of_four_weeks
    FROM usage_day AS d
    WHERE d.tenant_id = q.tenant_id AND d.is_live AND d.meter_id = q.meter_id
        AND d.day BETWEEN least(q.first_day, q.today - 28) AND q.today
) AS u
WHERE u.used < q.allowed AND u.used + u.of_four_weeks / 14 * (q.end_day - q.today) >= q.allowed
    AND NOT EXISTS (
        SELECT FROM alerts_thresholdalert AS f
        WHERE f.tenant_id = q.tenant_id AND f.kind = 'forecast' AND f.meter_id = q.meter_id
            AND f.quota_period = q.period AND f.period_start_on = q.first_day)
ORDER BY q.tenant_id, q.meter_id, q.period
"""


@dataclass(frozen=True, slots=True)
class CrossingCandidate:
    """A tenant's quota in its current period, which is not used up."""

    tenant_id: UUID
    meter_id: int
    meter: str
    meter_name: str
    unit: str
    period: str
    first_day: date
    end_day: date
    limit: Decimal
    is_hard: bool
    used: Decimal


def crossing_candidates(*, as_of: datetime, tenant_ids: Sequence[UUID] | None = None) -> list[CrossingCandidate]:
    """Return the quotas of these tenants, or of all, whose crossing may be predicted now and was not in this period."""
    rows = fetch_all(
        CROSSING_CANDIDATES, {"as_of": as_of, "tenant_ids": None if tenant_ids is None else list(tenant_ids)}
    )
    return [CrossingCandidate(*row) for row in rows]
