"""The verdict of every fault test: what is wrong with a ledger after all that was done to it, in sentences.

It queries the tables by itself, without the application's own statements, so that it would also see a mistake that
ingest and reconciliation had in common.
"""

from collections.abc import Collection
from typing import Any

import psycopg

from metering.domain.ledger import Ledger

NAMED_MAX = 5
METER_TOTALS = """
SELECT m.code, (SELECT coalesce(sum(quantity), 0) FROM usage_hour WHERE tenant_id = %(tenant)s AND is_live = %(live)s
    AND meter_id = m.id),
    (SELECT coalesce(sum(quantity), 0) FROM usage_day WHERE tenant_id = %(tenant)s AND is_live = %(live)s
        AND meter_id = m.id)
FROM metering_meter AS m WHERE m.code IN ('api_requests', 'api_bytes')
"""
EVENTS = """
SELECT id, count(*), count(*) FILTER (WHERE EXISTS (
    SELECT FROM event_identity AS i
    WHERE i.tenant_id = e.tenant_id AND i.is_live = e.is_live AND i.key = e.key AND i.occurred_at = e.occurred_at))
FROM event AS e WHERE tenant_id = %(tenant)s AND is_live = %(live)s GROUP BY id
"""
BYTES = """
SELECT coalesce(sum((properties ->> 'response_length')::numeric), 0) FROM event WHERE tenant_id = %(tenant)s
    AND is_live = %(live)s
"""
ORPHANED_CLAIMS = """
SELECT count(*) FROM event_identity AS i WHERE tenant_id = %(tenant)s AND is_live = %(live)s AND NOT EXISTS (
    SELECT FROM event AS e
    WHERE e.tenant_id = i.tenant_id AND e.is_live = i.is_live AND e.key = i.key AND e.occurred_at = i.occurred_at)
"""


def wrongs(
    connection: psycopg.Connection, ledger: Ledger, *, expected: Collection[str], acknowledged: Collection[str]
) -> list[str]:
    """List what breaks "each event once, usage equal to the ledger, no acknowledged event lost".

    An empty list is good.
    """
    parameters = {"tenant": ledger.tenant_id, "live": ledger.is_live}
    copies = {id_: (count, claimed) for id_, count, claimed in connection.execute(EVENTS, parameters)}
    found = [
        *_named("stored more than once", [id_ for id_, (count, _) in copies.items() if count > 1]),
        *_named("stored without a claim", [id_ for id_, (count, claimed) in copies.items() if claimed < count]),
        *_named("acknowledged and not stored", set(acknowledged) - set(copies)),
        *_named("not stored", set(expected) - set(copies)),
        *_named("stored and never sent", set(copies) - set(expected)),
    ]
    claims = _one(connection, ORPHANED_CLAIMS, parameters)
    if claims:
        found.append(f"{claims} claimed and not stored")
    stored = {
        "api_requests": sum(count for count, _ in copies.values()),
        "api_bytes": _one(connection, BYTES, parameters),
    }
    for meter, by_hour, by_day in connection.execute(METER_TOTALS, parameters):
        for rollup, quantity in (("usage_hour", by_hour), ("usage_day", by_day)):
            if quantity != stored[meter]:
                found.append(f"{rollup} says {quantity} of {meter}, the ledger {stored[meter]}")
    return found


def _named(what: str, ids: Collection[str]) -> list[str]:
    if not ids:
        return []
    shown = ", ".join(sorted(ids)[:NAMED_MAX])
    return [f"{len(ids)} events {what}: {shown}"]


def _one(connection: psycopg.Connection, statement: str, parameters: dict[str, Any]) -> int:
    row = connection.execute(statement, parameters).fetchone()
    assert row is not None
    return int(row[0])
