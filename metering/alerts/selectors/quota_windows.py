"""Usage against quotas over the periods that have begun, for all tenants by one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from accounts.sql import fetch_all
from metering.selectors.period_sql import end_day, first_day

# A quota's period is of whole days of the tenant's zone, as in usage_day. A period that has ended is compared with
# the quota only if the tenant was on that usage plan before its end: else a change of plan at midnight would measure
# the old period by the new plan. A tenant's own thresholds are of a quota of the plan, too.
QUOTA_WINDOWS: Final = f"""
WITH own AS MATERIALIZED (
    SELECT tenant_id, meter_id, quota_period, min(threshold) AS percent_min, min(threshold_quantity) AS quantity_min,
        array_agg(threshold ORDER BY threshold) FILTER (WHERE threshold IS NOT NULL) AS percents,
        array_agg(threshold_quantity ORDER BY threshold_quantity) FILTER (WHERE threshold_quantity IS NOT NULL)
            AS quantities
    FROM alerts_ownthreshold GROUP BY 1, 2, 3
),
quota AS MATERIALIZED (
    SELECT t.id AS tenant_id, q.meter_id, q.period, q.limit AS allowed, q.is_hard, p.first_day,
        o.percent_min, o.quantity_min, o.percents, o.quantities,
        least((%(as_of)s::timestamptz AT TIME ZONE t.time_zone)::date, p.end_day - 1) AS last_day
    FROM accounts_tenant AS t
    JOIN metering_usageplanassignment AS a ON a.tenant_id = t.id
    JOIN metering_usageplanquota AS q ON q.usage_plan_id = a.usage_plan_id AND q.limit > 0 AND q.scope = 'tenant'
    LEFT JOIN own AS o ON o.tenant_id = t.id AND o.meter_id = q.meter_id AND o.quota_period = q.period
    CROSS JOIN LATERAL (
        SELECT first_day, {end_day("q.period", "first_day", "t.period_anchor_on")} AS end_day
        FROM (
            SELECT DISTINCT {first_day("q.period", "day::date", "t.period_anchor_on")} AS first_day
            FROM generate_series(
                date_trunc('day', %(looked_back_to)s::timestamptz AT TIME ZONE t.time_zone),
                %(as_of)s::timestamptz AT TIME ZONE t.time_zone, '1 day') AS day
        ) AS begun
    ) AS p
    WHERE t.status = 'active' AND (%(tenant_ids)s::uuid[] IS NULL OR t.id = ANY(%(tenant_ids)s::uuid[]))
        AND a.assigned_at < p.end_day::timestamp AT TIME ZONE t.time_zone
),
used AS (
    SELECT q.tenant_id, q.meter_id, q.period, q.first_day, q.allowed, q.is_hard, u.quantity,
        q.percents, q.quantities
    FROM quota AS q
    CROSS JOIN LATERAL (
        SELECT sum(d.quantity) AS quantity FROM usage_day AS d
        WHERE d.tenant_id = q.tenant_id AND d.is_live AND d.meter_id = q.meter_id
            AND d.day BETWEEN q.first_day AND q.last_day
    ) AS u
    WHERE u.quantity * 100 >= q.allowed * least(%(percent_min)s::int, q.percent_min) OR u.quantity >= q.quantity_min
)
SELECT looked_at.tenants, u.tenant_id, u.meter_id, m.code, m.name, m.unit, u.period, u.first_day, u.allowed, u.is_hard,
    u.quantity, coalesce(u.percents, '{{}}'), coalesce(u.quantities, '{{}}')
FROM (SELECT count(DISTINCT tenant_id) AS tenants FROM quota) AS looked_at
LEFT JOIN used AS u ON true
LEFT JOIN metering_meter AS m ON m.id = u.meter_id
ORDER BY u.tenant_id, u.meter_id, u.period, u.first_day
"""


@dataclass(frozen=True, slots=True)
class QuotaWindow:
    """A tenant's usage of one quota in the period of its time zone that begins with `first_day`.

    `own_percents` and `own_quantities` are the thresholds that the tenant has set on the quota, in order.
    """

    tenant_id: UUID
    meter_id: int
    meter: str
    meter_name: str
    unit: str
    period: str
    first_day: date
    limit: Decimal
    is_hard: bool
    used: Decimal
    own_percents: Sequence[int] = ()
    own_quantities: Sequence[Decimal] = ()


def quota_windows(
    *, as_of: datetime, looked_back_to: datetime, percent_min: int, tenant_ids: Sequence[UUID] | None = None
) -> tuple[int, list[QuotaWindow]]:
    """Return how many active tenants have a quota, and the windows with at least `percent_min` percent used.

    Windows in which the lowest of the tenant's own thresholds is reached are among them.

    Checks every period of the tenant's zone that has begun by `as_of` and had not ended at
    `looked_back_to`.
    """
    rows = fetch_all(
        QUOTA_WINDOWS,
        {
            "as_of": as_of,
            "looked_back_to": looked_back_to,
            "percent_min": percent_min,
            "tenant_ids": None if tenant_ids is None else list(tenant_ids),
        },
    )
    return rows[0][0], [QuotaWindow(*row[1:]) for row in rows if row[1] is not None]
