"""Update the rollups and the limit counters: the part that ingest and void share."""

from collections.abc import Sequence

from accounts.sql import as_json
from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.registry import SUMMED
from metering.domain.ledger import CounterKey
from metering.selectors.aggregation_sql import accumulated_by_meter
from metering.selectors.statements import aggregation_of, day_buckets, hour_buckets


def add_to_rollups(sign: str = "", kinds: Sequence[Aggregation] = SUMMED) -> str:
    """Return the expressions that add `contribution` to counters, hours and days, or with `-` subtract it.

    All meters are of these kinds, of which only those that are summed can be subtracted.

    Rows are written in the order of their keys, and PostgreSQL runs expressions that nothing refers to last part first:
    so counters are locked first, then hours, then days, as every statement that counts does. No two of them wait in a
    circle (`docs/limits.md`). A quota is of an additive meter, so a counter is a sum.
    """
    accumulated = accumulated_by_meter(
        aggregation_of("u.meter_id"), held="u.quantity", added="excluded.quantity", kinds=kinds
    )
    return f"""
days AS (
    INSERT INTO usage_day AS u (tenant_id, is_live, meter_id, day, api_key_id, dimension_key, slot, dimensions,
        quantity, events)
    SELECT %(tenant_id)s::uuid, %(is_live)s, meter_id, day, api_key_id, dimension_key, pg_backend_pid() %% %(slots)s,
        dimensions,
        {sign} quantity, {sign} events
    FROM ({day_buckets(kinds=kinds)}) AS bucket ORDER BY meter_id, day, api_key_id, dimension_key
    ON CONFLICT ON CONSTRAINT usage_day_once DO UPDATE SET quantity = {accumulated}, events = u.events + excluded.events
),
hours AS (
    INSERT INTO usage_hour AS u (tenant_id, is_live, meter_id, hour, slot, quantity, events)
    SELECT %(tenant_id)s::uuid, %(is_live)s, meter_id, hour, pg_backend_pid() %% %(slots)s, {sign} quantity,
        {sign} events
    FROM ({hour_buckets(kinds)}) AS bucket ORDER BY meter_id, hour
    ON CONFLICT ON CONSTRAINT usage_hour_once DO UPDATE SET quantity = {accumulated},
        events = u.events + excluded.events
),
counters AS (
    INSERT INTO limit_counter AS l (tenant_id, is_live, scope_id, meter_id, period_start, period_end, used, is_ready,
        subject)
    SELECT %(tenant_id)s::uuid, %(is_live)s, q.scope_id, q.meter_id, q.period_start, q.period_end,
        {sign} sum(c.quantity), false, q.subject
    FROM jsonb_to_recordset(%(counters)s::jsonb)
        AS q(scope_id uuid, meter_id bigint, period_start timestamptz, period_end timestamptz, subject text)
    JOIN (SELECT meter_id, occurred_at, quantity, '' AS subject FROM contribution
        UNION ALL SELECT meter_id, occurred_at, quantity, subject FROM contribution WHERE subject <> '') AS c
        ON q.meter_id = c.meter_id AND coalesce(q.subject, '') = c.subject
            AND c.occurred_at >= q.period_start AND c.occurred_at < q.period_end
    GROUP BY 3, 4, 5, 6, 9 ORDER BY 3, 4, 5, 6
    ON CONFLICT ON CONSTRAINT limit_counter_once DO UPDATE SET used = l.used + excluded.used
)"""


def counters_parameter(counters: Sequence[CounterKey]) -> str:
    """Return counters as the JSON that `add_to_rollups` reads."""
    return as_json(counters)
