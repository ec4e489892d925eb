"""Ledgers of a size: emptied, or filled by SQL with events of the month before now, whose identities are random."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import UUID

import psycopg

CHUNK: Final = 250_000
STREAMS: Final = 2
_TABLES: Final = "event, event_identity, usage_hour, usage_day, limit_counter, limit_bucket"
_DAYS: Final = 30

_EVENTS: Final = f"""
WITH made AS MATERIALIZED (
    SELECT n, 'filled-' || n AS id, substring(sha256(convert_to('filled-' || n, 'UTF8')) FOR 16) AS key,
        %(now)s::timestamptz - (n * 7919 %% {_DAYS * 86400}) * interval '1 second' AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
), claimed AS (
    INSERT INTO event_identity (tenant_id, is_live, key, occurred_at, content_hash)
    SELECT %(tenant)s, true, key, at, sha256(key) FROM made
)
INSERT INTO event (tenant_id, is_live, occurred_at, key, id, source, type, quantity, subject, properties, received_at)
SELECT %(tenant)s, true, at, key, id, '', 'http_request', 1, 'user-' || n %% 97,
    jsonb_build_object('method', 'GET', 'path', '/v1/widgets', 'status', 200, 'response_length', n %% 4096), at
FROM made
"""
_HOURS: Final = """
INSERT INTO usage_hour (tenant_id, is_live, meter_id, hour, slot, quantity, events)
SELECT e.tenant_id, true, m.id, date_trunc('hour', e.occurred_at, 'UTC'), 0, count(*), count(*)
FROM event AS e CROSS JOIN metering_meter AS m WHERE m.code = 'api_requests' AND e.id LIKE 'filled-%' GROUP BY 1, 3, 4
"""


def empty_ledger(url: str) -> None:
    """Delete all events and what was counted, and write all pages to disk."""
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(f"TRUNCATE {_TABLES}")
        connection.execute("CHECKPOINT")


def fill_ledger(url: str, *, tenant: UUID, events: int) -> None:
    """Store so many events of a tenant with their identities and hours, and write all pages to disk."""
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        [[now]] = connection.execute("SELECT now()").fetchall()

        def store(first: int) -> None:
            with psycopg.connect(url, autocommit=True, connect_timeout=10) as own:
                last = min(first + CHUNK - 1, events)
                own.execute(_EVENTS, {"tenant": tenant, "first": first, "last": last, "now": now})

        with ThreadPoolExecutor(STREAMS) as streams:
            list(streams.map(store, range(1, events + 1, CHUNK)))
        connection.execute(_HOURS)
        connection.execute("VACUUM (ANALYZE) event, event_identity")
        connection.execute("CHECKPOINT")
