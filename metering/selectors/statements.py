"""The SQL that the ledger's statements share, whether they read or write.

Ingest, void, rebuild and reconciliation must agree to the last digit on what an event contributes to which meter, so
`METERS` and `CONTRIBUTIONS` stand here once. `metering.domain.contribution` says the same in Python; a property test compares the two.
"""

from collections.abc import Sequence

from accounts.sql import as_json
from metering.domain.contribution import MeterRule

# %(meters)s is `meters_parameter()`. The dimensions of meters that share them are built once.
METERS = """
meters AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(meters)s::jsonb) AS m(
        meter_id bigint, event_type text, aggregation text, value_property text, dimensions jsonb, filters jsonb, counts_from timestamptz)
)"""


def property_quantity(name: str) -> str:
    """SQL for what an event `e` adds by a property, of which `name` is the expression of the name: a number, or the text of one."""
    value, text = f"e.properties -> {name}", f"e.properties ->> {name}"
    return (
        f"CASE WHEN jsonb_typeof({value}) = 'number' THEN greatest(({text})::numeric, 0)"
        f" WHEN jsonb_typeof({value}) = 'string' AND {text} ~ '^[0-9]{{1,20}}(\\.[0-9]{{1,9}})?$' THEN ({text})::numeric ELSE 0 END"
    )


# {events} is a relation with key, occurred_at, received_at, type, quantity, api_key_id and properties.
CONTRIBUTIONS = """
dimensioned AS MATERIALIZED (
    SELECT e.key, d.names,
        (SELECT coalesce(jsonb_object_agg(name, e.properties ->> name), '{{}}'::jsonb) FROM jsonb_array_elements_text(d.names) AS name)
            AS dimensions
    FROM {events} AS e
    JOIN (SELECT DISTINCT event_type, dimensions AS names FROM meters) AS d ON d.event_type = e.type
),
contribution AS MATERIALIZED (
    SELECT e.key, e.occurred_at, coalesce(e.api_key_id, '00000000-0000-0000-0000-000000000000'::uuid) AS api_key_id, m.meter_id,
        CASE
            WHEN m.aggregation = 'count' THEN 1
            WHEN m.value_property = '' THEN e.quantity
            ELSE <property>
        END AS quantity,
        d.dimensions
    FROM {events} AS e
    JOIN meters AS m ON m.event_type = e.type AND m.counts_from <= e.received_at
    JOIN dimensioned AS d ON d.key = e.key AND d.names = m.dimensions
    WHERE m.filters = '{{}}'::jsonb OR NOT EXISTS (
        SELECT FROM jsonb_each(m.filters) AS f(name, accepted) WHERE NOT coalesce(f.accepted ? (e.properties ->> f.name), false))
)""".replace("<property>", property_quantity("m.value_property").replace("{", "{{").replace("}", "}}"))

HOUR_BUCKETS = """
SELECT meter_id, date_trunc('hour', occurred_at, 'UTC') AS hour, sum(quantity) AS quantity, count(*) AS events
FROM contribution GROUP BY 1, 2"""

# The digest makes dimensions of any length fit into the primary key; it is taken of each bucket, not of each event.
DAY_BUCKETS = """
SELECT *, substring(sha256(convert_to(dimensions::text, 'UTF8')) FROM 1 FOR 16) AS dimension_key
FROM (
    SELECT meter_id, (occurred_at AT TIME ZONE %(time_zone)s)::date AS day, api_key_id, dimensions, sum(quantity) AS quantity,
        count(*) AS events
    FROM contribution GROUP BY 1, 2, 3, 4
) AS day_bucket"""


def meters_parameter(rules: Sequence[MeterRule]) -> str:
    """The meters as the JSON that `METERS` reads."""
    return as_json(
        [
            {
                "meter_id": rule.id,
                "event_type": rule.event_type,
                "aggregation": rule.aggregation,
                "value_property": rule.value_property,
                "dimensions": rule.dimensions,
                "filters": rule.filters,
                "counts_from": rule.counts_from,
            }
            for rule in rules
        ]
    )
