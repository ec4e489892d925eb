"""What the ledger says of usage, summed up from the events themselves, and where the rollups say something else.

One statement reads ledger and rollups in one snapshot. Ingest writes both in one transaction, so what it finds is
drift and never a race.
"""

import json
from decimal import Decimal

from accounts.sql import fetch_all
from metering.domain.ledger import Drift, Ledger
from metering.selectors.aggregation_sql import collected_by_meter
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.statements import (
    DAY_BUCKETS,
    HOUR_BUCKETS,
    METERS,
    aggregation_of,
    contributions_of,
    meters_parameter,
)


def buckets_from_ledger(only: str = "") -> str:
    """Return the beginning of a statement with the rollups that the events `e` make, all or some."""
    return f"""
WITH counted AS (
    SELECT e.key, e.occurred_at, e.received_at, e.type, e.quantity, e.api_key_id, e.properties
    FROM event AS e
    WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s AND NOT EXISTS (
        SELECT FROM event_void AS v WHERE v.tenant_id = e.tenant_id AND v.is_live = e.is_live AND v.key = e.key) {only}
),
{METERS},
{contributions_of("counted")},
hour_in_ledger AS ({HOUR_BUCKETS}),
day_in_ledger AS ({DAY_BUCKETS})"""


def _of(rollup: str) -> str:
    return collected_by_meter(aggregation_of(f"{rollup}.meter_id"), quantity="quantity")


DRIFTS_MAX = 1000
DRIFTS = f"""
{buckets_from_ledger()},
hour_in_rollup AS (
    SELECT meter_id, hour, {_of("usage_hour")} AS quantity, sum(events) AS events FROM usage_hour
    WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s GROUP BY 1, 2
),
day_in_rollup AS (
    SELECT meter_id, day, api_key_id, dimension_key, min(dimensions::text)::jsonb AS dimensions,
        {_of("usage_day")} AS quantity,
        sum(events) AS events
    FROM usage_day WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s GROUP BY 1, 2, 3, 4
),
compared AS (
    SELECT 'usage_hour' AS rollup, jsonb_build_object('meter', meter_id, 'hour', hour) AS bucket,
        l.quantity AS quantity_in_ledger, r.quantity AS quantity_in_rollup, l.events AS events_in_ledger,
        r.events AS events_in_rollup
    FROM hour_in_ledger AS l FULL JOIN hour_in_rollup AS r USING (meter_id, hour)
    UNION ALL
    SELECT 'usage_day',
        jsonb_build_object('meter', meter_id, 'day', day, 'api_key', api_key_id, 'dimensions',
            coalesce(l.dimensions, r.dimensions)),
        l.quantity, r.quantity, l.events, r.events
    FROM day_in_ledger AS l FULL JOIN day_in_rollup AS r USING (meter_id, day, api_key_id, dimension_key)
)
SELECT rollup, bucket, coalesce(quantity_in_ledger, 0), coalesce(quantity_in_rollup, 0),
    coalesce(events_in_ledger, 0)::bigint,
    coalesce(events_in_rollup, 0)::bigint
FROM compared
WHERE coalesce(quantity_in_ledger, 0) <> coalesce(quantity_in_rollup, 0)
    OR coalesce(events_in_ledger, 0) <> coalesce(events_in_rollup, 0)
ORDER BY rollup, bucket
LIMIT {DRIFTS_MAX}
"""

# Each claim has its event and each event its claim; a void has its event.
ORPHANS = """
SELECT
    (SELECT count(*) FROM event WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s),
    (SELECT count(*) FROM event_identity WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s),
    (SELECT count(*) FROM event AS e JOIN event_identity AS i USING (tenant_id, is_live, key, occurred_at)
        WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s),
    (SELECT count(*) FROM event_void WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s),
    (SELECT count(*) FROM event_void AS v JOIN event_identity AS i USING (tenant_id, is_live, key, occurred_at)
        WHERE v.tenant_id = %(tenant_id)s AND v.is_live = %(is_live)s)
"""


def drifts_of(ledger: Ledger) -> list[Drift]:
    """Every bucket in which a rollup differs from the ledger, at most DRIFTS_MAX, and claims without their events."""
    parameters = {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "time_zone": ledger.time_zone,
        "meters": meters_parameter(rules_in_rollups()),
    }
    drifts = [
        Drift(ledger.tenant_id, ledger.is_live, rollup, json.loads(bucket), *numbers)
        for rollup, bucket, *numbers in fetch_all(DRIFTS, parameters)
    ]
    events, identities, matched, voids, voids_matched = fetch_all(ORPHANS, parameters)[0]
    return [
        *drifts,
        *_orphans(ledger, "event_identity", matched, max(events, identities)),
        *_orphans(ledger, "event_void", voids_matched, voids),
    ]


def _orphans(ledger: Ledger, table: str, matched: int, total: int) -> list[Drift]:
    if matched == total:
        return []
    return [
        Drift(
            ledger.tenant_id,
            ledger.is_live,
            table,
            {"rows": "without their twin"},
            quantity_in_ledger=Decimal(matched),
            quantity_in_rollup=Decimal(total),
            events_in_ledger=matched,
            events_in_rollup=total,
        )
    ]
