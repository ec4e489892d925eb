"""The SQL that the ledger's statements share, whether they read or write.

Ingest, void, rebuild and reconciliation must agree to the last digit on what an event contributes to which meter, so
`METERS` and `contributions_of` are defined once, here. `metering.domain.contribution` computes the same in Python; a
property test compares the two.
"""

from collections.abc import Iterable
from typing import Final

from accounts.sql import as_json
from metering.domain.contribution import MeterRule
from metering.selectors.aggregation_sql import collected_by_meter, measured_by_meter

# %(meters)s is `meters_parameter()`. The dimensions of meters that share them are built once.
METERS: Final = """
meters AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(meters)s::jsonb) AS m(
        meter_id bigint, event_type text, aggregation text, value_property text, dimensions jsonb, filters jsonb,
        counts_from timestamptz)
)"""


def passes_filters(filters: str) -> str:
    """Return the condition that an event `e` passes the filters of a meter, an expression of type jsonb."""
    return f"""({filters} = '{{}}'::jsonb OR NOT EXISTS (
        SELECT FROM jsonb_each({filters}) AS f(name, accepted)
            WHERE NOT coalesce(f.accepted ? (e.properties ->> f.name), false)))"""


def aggregation_of(meter_id: str) -> str:
    """Return the expression of a meter's aggregation, in a statement that has `METERS`."""
    return f"(SELECT k.aggregation FROM meters AS k WHERE k.meter_id = {meter_id})"


# What an event `e` contributes to a meter `m`, and whether the meter counts it at all, apart from its filters.
MEASURED: Final = measured_by_meter("m.aggregation", value_property="m.value_property")
IS_COUNTED: Final = "m.event_type = e.type AND m.counts_from <= e.received_at"


def contributions_of(events: str) -> str:
    """Return the expressions `dimensioned` and `contribution` of a relation of events.

    It has key, occurred_at, received_at, type, quantity, api_key_id and properties.
    """
    return f"""
dimensioned AS MATERIALIZED (
    SELECT e.key, d.names,
        (SELECT coalesce(jsonb_object_agg(name, e.properties ->> name), '{{}}'::jsonb)
            FROM jsonb_array_elements_text(d.names) AS name)
            AS dimensions
    FROM {events} AS e
    JOIN (SELECT DISTINCT event_type, dimensions AS names FROM meters) AS d ON d.event_type = e.type
),
contribution AS MATERIALIZED (
    SELECT e.key, e.occurred_at, coalesce(e.api_key_id, '00000000-0000-0000-0000-000000000000'::uuid) AS api_key_id,
        m.meter_id,
        {MEASURED} AS quantity,
        d.dimensions
    FROM {events} AS e
    JOIN meters AS m ON {IS_COUNTED}
    JOIN dimensioned AS d ON d.key = e.key AND d.names = m.dimensions
    WHERE {passes_filters("m.filters")}
)"""


COLLECTED: Final = collected_by_meter(aggregation_of("contribution.meter_id"), quantity="contribution.quantity")

HOUR_BUCKETS: Final = f"""
SELECT meter_id, date_trunc('hour', occurred_at, 'UTC') AS hour, {COLLECTED} AS quantity, count(*) AS events
FROM contribution GROUP BY 1, 2"""

# With the digest, dimensions of any length fit into the primary key; it is computed per bucket, not per event.
LOCAL_DAY: Final = "(occurred_at AT TIME ZONE %(time_zone)s)::date"


def day_buckets(*, day: str = LOCAL_DAY, only: str = "") -> str:
    """Return the statement of the daily buckets of contributions; `only` is a condition, with its `WHERE`."""
    return f"""
SELECT *, substring(sha256(convert_to(dimensions::text, 'UTF8')) FROM 1 FOR 16) AS dimension_key
FROM (
    SELECT meter_id, {day} AS day, api_key_id, dimensions, {COLLECTED} AS quantity, count(*) AS events
    FROM contribution {only} GROUP BY 1, 2, 3, 4
) AS day_bucket"""


DAY_BUCKETS: Final = day_buckets()


def meters_parameter(rules: Iterable[MeterRule]) -> str:
    """Return meters as the JSON that `METERS` reads."""
    return as_json(
        [
            {
                "meter_id": rule.id,
                "event_type": rule.event_type,
                "aggregation": rule.aggregation.code,
                "value_property": rule.value_property,
                "dimensions": rule.dimensions,
                "filters": rule.filters,
                "counts_from": rule.counts_from,
            }
            for rule in rules
        ]
    )
