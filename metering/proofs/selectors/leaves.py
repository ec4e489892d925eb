"""The leaves of a ledger, computed from its rows by SQL: the one place that knows the canonical bytes.

`docs/algorithms/proofs.md` defines them with worked values, and a test compares those with this statement. Nothing is
computed or kept when an event is stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from accounts.sql import as_json, fetch_all
from metering.domain.ledger import Ledger

Half = tuple[UUID, bool]
"""A tenant, and whether its live ledger is meant."""

_ONE_DAY: Final = timedelta(days=1)


def _micros(instant: str) -> str:
    return f"(extract(epoch FROM {instant}) * 1000000)::bigint"


EVENT_CONTENT: Final = f"""jsonb_build_array('event', encode(e.key, 'hex'), e.id, e.source, e.type,
    {_micros("e.occurred_at")}, trim_scale(e.quantity)::text, e.subject, e.api_key_id::text,
    {_micros("e.received_at")}, e.properties)::text"""
VOID_CONTENT: Final = f"""jsonb_build_array('void', encode(v.key, 'hex'), {_micros("v.occurred_at")}, v.reason,
    {_micros("v.voided_at")}, v.replaced_by)::text"""
GIVEN: Final = """
given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(ledgers)s::jsonb) AS g(tenant_id uuid, is_live boolean, is_late boolean)
)"""


def hash_of(content: str) -> str:
    """Return the expression of a leaf's hash over its content."""
    return f"sha256('\\x00'::bytea || convert_to({content}, 'UTF8'))"


def leaves_received(start: str, end: str, *, of: str = "TRUE") -> str:
    """Return the statement of the leaves of the given ledgers that were received from `start` until before `end`."""
    return f"""
SELECT e.tenant_id, e.is_live, e.received_at, e.occurred_at, e.id AS name, {hash_of(EVENT_CONTENT)} AS leaf
FROM event AS e JOIN given AS g ON g.tenant_id = e.tenant_id AND g.is_live = e.is_live AND {of}
WHERE e.received_at >= {start} AND e.received_at < {end}
UNION ALL
SELECT v.tenant_id, v.is_live, v.voided_at, v.occurred_at, 'void of ' || encode(v.key, 'hex'), {hash_of(VOID_CONTENT)}
FROM event_void AS v JOIN given AS g ON g.tenant_id = v.tenant_id AND g.is_live = v.is_live AND {of}
WHERE v.voided_at >= {start} AND v.voided_at < {end}"""


def leaves_stored(days: str) -> str:
    """Return the statement of the leaves in the given ledgers' trees of the days that the condition names."""
    return f"""
SELECT b.tenant_id, b.is_live, b.day, substring(b.hashes FROM i * 32 + 1 FOR 32) AS leaf
FROM proofs_leafblock AS b JOIN given AS g ON g.tenant_id = b.tenant_id AND g.is_live = b.is_live
CROSS JOIN LATERAL generate_series(0, octet_length(b.hashes) / 32 - 1) AS i
WHERE {days}"""


COUNT_RECEIVED: Final = f"""
WITH {GIVEN}, received AS ({leaves_received("%(start)s::timestamptz", "%(end)s::timestamptz")})
SELECT tenant_id, is_live, count(*) FROM received GROUP BY 1, 2
"""
FIRST_RECEIVED: Final = """
SELECT g.tenant_id, g.is_live, (
    SELECT min(e.received_at) FROM event AS e WHERE e.tenant_id = g.tenant_id AND e.is_live = g.is_live)
FROM jsonb_to_recordset(%(ledgers)s::jsonb) AS g(tenant_id uuid, is_live boolean)
"""
LEAVES_OF_EVENTS: Final = f"""
SELECT e.key, e.received_at, {hash_of(EVENT_CONTENT)}, {EVENT_CONTENT}
FROM event_identity AS i
JOIN event AS e ON e.tenant_id = i.tenant_id AND e.is_live = i.is_live AND e.occurred_at = i.occurred_at
    AND e.key = i.key
WHERE i.tenant_id = %(tenant_id)s AND i.is_live = %(is_live)s AND i.key = ANY(%(keys)s)
"""
VOIDS_OF_EVENTS: Final = f"""
SELECT v.key, v.voided_at, {hash_of(VOID_CONTENT)}, {VOID_CONTENT}
FROM event_void AS v WHERE v.tenant_id = %(tenant_id)s AND v.is_live = %(is_live)s AND v.key = ANY(%(keys)s)
"""


def ledgers_parameter(halves: Iterable[Half], late: Iterable[Half] = ()) -> str:
    """Return ledgers as the JSON that `GIVEN` reads."""
    looked_at = set(late)
    return as_json(
        [
            {"tenant_id": tenant_id, "is_live": is_live, "is_late": (tenant_id, is_live) in looked_at}
            for tenant_id, is_live in halves
        ]
    )


def day_bounds(day: date) -> dict[str, datetime]:
    """Return the start and the end of a day of UTC."""
    start = datetime.combine(day, time(), UTC)
    return {"start": start, "end": start + _ONE_DAY}


def received_on(day: date, halves: Sequence[Half]) -> Mapping[Half, int]:
    """Return how many rows each ledger received on a day, of those that received any."""
    rows = fetch_all(COUNT_RECEIVED, {"ledgers": ledgers_parameter(halves), **day_bounds(day)})
    return {(tenant_id, is_live): count for tenant_id, is_live, count in rows}


def first_days(halves: Sequence[Half]) -> Mapping[Half, date]:
    """Return the day on which each ledger received its first event, of those that have one."""
    rows = fetch_all(FIRST_RECEIVED, {"ledgers": ledgers_parameter(halves)})
    return {(tenant_id, is_live): first.date() for tenant_id, is_live, first in rows if first is not None}


def leaves_of_events(ledger: Ledger, keys: Sequence[bytes]) -> list[tuple[bytes, datetime, bytes, str]]:
    """Return key, time of receipt, leaf and content of each of these events that is in the ledger."""
    return [_leaf_row(row) for row in fetch_all(LEAVES_OF_EVENTS, _of(ledger, keys))]


def leaves_of_voids(ledger: Ledger, keys: Sequence[bytes]) -> list[tuple[bytes, datetime, bytes, str]]:
    """Return key, time, leaf and content of the void of each of these events that has one."""
    return [_leaf_row(row) for row in fetch_all(VOIDS_OF_EVENTS, _of(ledger, keys))]


def _of(ledger: Ledger, keys: Sequence[bytes]) -> dict[str, Any]:
    return {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live, "keys": list(keys)}


def _leaf_row(row: tuple[Any, ...]) -> tuple[bytes, datetime, bytes, str]:
    key, received_at, leaf, content = row
    return bytes(key), received_at, bytes(leaf), content
