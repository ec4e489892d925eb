"""The SQL of the ledger: how it is sent, and the fragments that every statement shares, whether it reads or writes.

Ingest, void, rebuild and reconciliation must agree to the last digit on what an event contributes to which meter, so
`METERS` and `CONTRIBUTIONS` stand here once. `metering.domain.contribution` says the same in Python; a property test compares the two.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import psycopg
from django.db import connection

from metering.domain.contribution import MeterRule

_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s")
ENCODER = msgspec.json.Encoder(decimal_format="number")

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
    return ENCODER.encode(
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
    ).decode()


def fetch_all(statement: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """Run one statement with its parameters sent apart from it, prepared at its first use on a connection.

    Django's own cursors bind on the client, which parses a batch of events twice and plans it anew each time; psycopg's
    own read a statement of more than 4,096 characters anew each time.
    Errors are Django's; outside of a transaction the statement commits by itself.
    """
    connection.ensure_connection()
    text, names = _numbered(statement)
    with connection.wrap_database_errors, psycopg.RawCursor(connection.connection) as cursor:
        cursor.execute(text, [parameters[name] for name in names], prepare=True)
        return cursor.fetchall() if cursor.description else []


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """A statement with PostgreSQL's own placeholders, and the names of its parameters in their order."""
    names = tuple(dict.fromkeys(_PLACEHOLDER.findall(statement)))
    numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
    text = _PLACEHOLDER.sub(lambda placeholder: numbers[placeholder[1]], statement).replace("%%", "%")
    return text, names
