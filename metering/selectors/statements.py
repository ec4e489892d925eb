"""The SQL that the ledger's statements share, whether they read or write.

Ingest, void, rebuild and reconciliation must agree to the last digit on what an event contributes to which meter, so
`METERS` and `contributions_of` are defined once, here. `metering.domain.contribution` computes the same in Python; a
property test compares the two.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from accounts.sql import as_json
from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.registry import MERGEABLE
from metering.domain.meter_rules import MeterRule
from metering.formulas.domain.property_values import NUMERIC_TEXT_PATTERN
from metering.selectors.aggregation_sql import collected_by_meter, has_value_by_meter, measured_by_meter

# %(meters)s is `meters_parameter()`: a row for each version of a meter. Dimensions that meters share are built once.
METERS: Final = """
meters AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(meters)s::jsonb) AS m(
        meter_id bigint, version int, event_type text, aggregation text, value_property text, dimensions jsonb,
        filters jsonb, counts_from timestamptz, begins_at timestamptz, ends_at timestamptz)
)"""


# What a condition `f.accepted` says of the text, or of the number, in the property `f.name`.
_TEXT: Final = "(e.properties ->> f.name)"
_NUMBER: Final = f"""CASE jsonb_typeof(e.properties -> f.name) WHEN 'number' THEN {_TEXT}::numeric
                WHEN 'string' THEN CASE WHEN {_TEXT} ~ '^{NUMERIC_TEXT_PATTERN}$' THEN {_TEXT}::numeric END END"""
_BOUNDS: Final = "".join(
    f"\n            AND (f.accepted ->> '{name}' IS NULL OR"
    f" coalesce({_NUMBER} {operator} (f.accepted ->> '{name}')::numeric, false))"
    for name, operator in (("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<="))
)


def passes_filters(filters: str) -> str:
    """Return the condition that an event `e` passes the filters of a meter, an expression of type jsonb."""
    return f"""({filters} = '{{}}'::jsonb OR NOT EXISTS (
        SELECT FROM jsonb_each({filters}) AS f(name, accepted)
            WHERE NOT coalesce(CASE WHEN jsonb_typeof(f.accepted) = 'array' THEN f.accepted ? {_TEXT} ELSE
            (f.accepted ->> 'in' IS NULL OR coalesce(f.accepted -> 'in' ? {_TEXT}, false))
            AND (f.accepted ->> 'not_in' IS NULL OR NOT coalesce(f.accepted -> 'not_in' ? {_TEXT}, false))
            AND (f.accepted ->> 'exists' IS NULL OR f.accepted ->> 'exists' = ({_TEXT} IS NOT NULL)::text)
            {_BOUNDS.strip()} END, false)))"""


def aggregation_of(meter_id: str) -> str:
    """Return the expression of a meter's aggregation, in a statement that has `METERS`.

    Those of its versions are written by the same SQL once events are measured.
    """
    return f"(SELECT k.aggregation FROM meters AS k WHERE k.meter_id = {meter_id} LIMIT 1)"


# Whether a version `m` of a meter counts an event `e` at all, apart from its filters and from whether it has a value.
IS_COUNTED: Final = (
    "m.event_type = e.type AND m.counts_from <= e.received_at"
    " AND m.begins_at <= e.occurred_at AND e.occurred_at < m.ends_at"
)
_OF_METER: Final = "m.value_property"


def is_summed(rules: Iterable[MeterRule]) -> bool:
    """Return whether all these meters are added up, so that the statement for such meters alone is sufficient."""
    return all(rule.aggregation.is_summed for rule in rules)


def measured_of(kinds: Sequence[Aggregation] = MERGEABLE) -> str:
    """Return what an event `e` brings to a meter `m` of these kinds."""
    return measured_by_meter("m.aggregation", value_property=_OF_METER, kinds=kinds)


def has_value_of(kinds: Sequence[Aggregation] = MERGEABLE) -> str:
    """Return the condition that an event `e` has what a meter `m` of these kinds measures."""
    return has_value_by_meter("m.aggregation", value_property=_OF_METER, kinds=kinds)


def contributions_of(events: str, kinds: Sequence[Aggregation] = MERGEABLE) -> str:
    """Return the expressions `dimensioned` and `contribution` of a relation of events.

    It has key, occurred_at, received_at, type, quantity, subject, api_key_id and properties. All meters are of these
    kinds.
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
        {measured_of(kinds)} AS quantity,
        d.dimensions, e.subject
    FROM {events} AS e
    JOIN meters AS m ON {IS_COUNTED}
    JOIN dimensioned AS d ON d.key = e.key AND d.names = m.dimensions
    WHERE {passes_filters("m.filters")} AND {has_value_of(kinds)}
)"""


def _collected(kinds: Sequence[Aggregation]) -> str:
    return collected_by_meter(aggregation_of("contribution.meter_id"), quantity="contribution.quantity", kinds=kinds)


def hour_buckets(kinds: Sequence[Aggregation] = MERGEABLE) -> str:
    """Return the statement of the hourly buckets of contributions."""
    return f"""
SELECT meter_id, date_trunc('hour', occurred_at, 'UTC') AS hour, {_collected(kinds)} AS quantity, count(*) AS events
FROM contribution GROUP BY 1, 2"""


# With the digest, dimensions of any length fit into the primary key; it is computed per bucket, not per event.
LOCAL_DAY: Final = "(occurred_at AT TIME ZONE %(time_zone)s)::date"


def day_buckets(*, day: str = LOCAL_DAY, only: str = "", kinds: Sequence[Aggregation] = MERGEABLE) -> str:
    """Return the statement of the daily buckets of contributions; `only` is a condition, with its `WHERE`."""
    return f"""
SELECT *, substring(sha256(convert_to(dimensions::text, 'UTF8')) FROM 1 FOR 16) AS dimension_key
FROM (
    SELECT meter_id, {day} AS day, api_key_id, dimensions, {_collected(kinds)} AS quantity, count(*) AS events
    FROM contribution {only} GROUP BY 1, 2, 3, 4
) AS day_bucket"""


def meters_parameter(rules: Iterable[MeterRule]) -> str:
    """Return meters as the JSON that `METERS` reads."""
    return as_json(
        [
            {
                "meter_id": rule.id,
                "version": rule.version,
                "event_type": rule.event_type,
                "aggregation": rule.aggregation.code,
                "value_property": rule.value_property,
                "dimensions": rule.dimensions,
                "filters": rule.filters,
                "counts_from": rule.counts_from,
                "begins_at": rule.begins_at,
                "ends_at": rule.ends_at,
            }
            for rule in rules
        ]
    )
