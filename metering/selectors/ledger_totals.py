"""Usage summed up from the ledger's events, and the buckets in which the rollups differ.

For months whose raw events are sealed the rollups are the evidence. They are compared with their digests.

One statement reads ledger and rollups in one snapshot. Ingest writes both in one transaction, so a difference is
a drift and never a race.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from accounts.sql import fetch_all
from metering.domain.ledger import Drift, Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.retention import Seam
from metering.selectors.aggregation_sql import collected_by_meter
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.formula_sql import with_formulas
from metering.selectors.retention import EVERYTHING, seam_of
from metering.selectors.sealed_rollups import sealed_drifts
from metering.selectors.statements import (
    LOCAL_DAY,
    METERS,
    aggregation_of,
    contributions_of,
    day_buckets,
    hour_buckets,
    meters_parameter,
)

_LAST: Final = datetime(9999, 12, 30, tzinfo=UTC)
EVER: Final = Seam(_LAST, date.max, _LAST)


# After a change of the time zone, events after the seam may be of a day before it: they count on the first day after.
_DAYS: Final = day_buckets(
    day=f"greatest({LOCAL_DAY}, %(days_from)s::date)", only="WHERE occurred_at >= %(days_since)s::timestamptz"
)


def buckets_from_ledger(only: str = "") -> str:
    """Return the beginning of a statement with the rollups computed from the events `e`, all or some.

    Its parameters are also those of `seam_parameters`.
    """
    return f"""
WITH counted AS (
    SELECT e.key, e.occurred_at, e.received_at, e.type, e.quantity, e.subject, e.api_key_id, e.properties
    FROM event AS e
    WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s AND e.occurred_at >= %(hours_from)s::timestamptz
        AND NOT EXISTS (
        SELECT FROM event_void AS v WHERE v.tenant_id = e.tenant_id AND v.is_live = e.is_live AND v.key = e.key) {only}
),
{METERS},
{contributions_of("counted")},
hour_in_ledger AS ({hour_buckets()}),
day_in_ledger AS ({_DAYS})"""


def seam_parameters(seam: Seam) -> dict[str, object]:
    """Return the parameters of the seam, after which rollups must equal the events."""
    return {"hours_from": seam.hours_from, "days_from": seam.days_from, "days_since": seam.days_since}


def _of(rollup: str) -> str:
    return collected_by_meter(aggregation_of(f"{rollup}.meter_id"), quantity="quantity")


DRIFTS_MAX = 1000
DRIFTS = f"""
{buckets_from_ledger("AND e.occurred_at < %(before)s::timestamptz")},
hour_in_rollup AS (
    SELECT meter_id, hour, {_of("usage_hour")} AS quantity, sum(events) AS events FROM usage_hour
    WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND hour >= %(hours_from)s::timestamptz
        AND meter_id <> ALL(%(being_filled)s::bigint[])
    GROUP BY 1, 2
),
day_in_rollup AS (
    SELECT meter_id, day, api_key_id, dimension_key, min(dimensions::text)::jsonb AS dimensions,
        {_of("usage_day")} AS quantity,
        sum(events) AS events
    FROM usage_day WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND day >= %(days_from)s::date
        AND meter_id <> ALL(%(being_filled)s::bigint[])
    GROUP BY 1, 2, 3, 4
),
compared AS (
    SELECT 'usage_hour' AS rollup, jsonb_build_object('meter', meter_id, 'hour', hour) AS bucket,
        l.quantity AS quantity_in_ledger, r.quantity AS quantity_in_rollup, l.events AS events_in_ledger,
        r.events AS events_in_rollup
    FROM hour_in_ledger AS l FULL JOIN hour_in_rollup AS r USING (meter_id, hour)
    WHERE hour < %(hours_before)s::timestamptz
    UNION ALL
    SELECT 'usage_day',
        jsonb_build_object('meter', meter_id, 'day', day, 'api_key', api_key_id, 'dimensions',
            coalesce(l.dimensions, r.dimensions)),
        l.quantity, r.quantity, l.events, r.events
    FROM day_in_ledger AS l FULL JOIN day_in_rollup AS r USING (meter_id, day, api_key_id, dimension_key)
    WHERE day < %(days_before)s::date
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
    (SELECT count(*) FROM event WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s
        AND occurred_at >= %(hours_from)s::timestamptz),
    (SELECT count(*) FROM event_identity WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s
        AND occurred_at >= %(hours_from)s::timestamptz),
    (SELECT count(*) FROM event AS e JOIN event_identity AS i USING (tenant_id, is_live, key, occurred_at)
        WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s
            AND e.occurred_at >= %(hours_from)s::timestamptz),
    (SELECT count(*) FROM event_void WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s
        AND occurred_at >= %(hours_from)s::timestamptz),
    (SELECT count(*) FROM event_void AS v JOIN event_identity AS i USING (tenant_id, is_live, key, occurred_at)
        WHERE v.tenant_id = %(tenant_id)s AND v.is_live = %(is_live)s
            AND v.occurred_at >= %(hours_from)s::timestamptz)
"""


BUCKETS: Final = """
SELECT
    (SELECT count(*) FROM (SELECT FROM usage_hour
        WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND hour >= %(hours_from)s::timestamptz
        GROUP BY meter_id, hour) AS h),
    (SELECT count(*) FROM (SELECT FROM usage_day
        WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND day >= %(days_from)s::date
        GROUP BY meter_id, day) AS d)
"""


def buckets_of(ledger: Ledger) -> tuple[int, int]:
    """Return how many hours and how many days of its meters a comparison looks at: those that the rollups have."""
    hours, days = fetch_all(BUCKETS, _parameters(ledger, seam_of(ledger)))[0]
    return hours, days


def drifts_of(ledger: Ledger) -> list[Drift]:
    """Return the buckets in which a rollup differs from the ledger, at most DRIFTS_MAX, and claims without events.

    Before the seam: the meters whose rollups differ from the sealed ones.
    """
    seam = seam_of(ledger)
    parameters = _parameters(ledger, seam)
    events, identities, matched, voids, voids_matched = fetch_all(ORPHANS, parameters)[0]
    return [
        *_drifts(ledger, parameters, EVER),
        *_orphans(ledger, "event_identity", matched, max(events, identities)),
        *_orphans(ledger, "event_void", voids_matched, voids),
        *(sealed_drifts(ledger) if seam is not EVERYTHING else ()),
    ]


def drifts_before(ledger: Ledger, end: Seam) -> list[Drift]:
    """Return the buckets before `end` that are not sealed yet and in which a rollup differs from the ledger."""
    return _drifts(ledger, _parameters(ledger, seam_of(ledger)), end)


def _drifts(ledger: Ledger, parameters: Mapping[str, object], end: Seam) -> list[Drift]:
    ends = {
        "before": max(end.hours_from, end.days_since),
        "hours_before": end.hours_from,
        "days_before": end.days_from,
    }
    return [
        Drift(ledger.tenant_id, ledger.is_live, rollup, json.loads(bucket), *numbers)
        for rollup, bucket, *numbers in fetch_all(with_formulas(DRIFTS, _compared_rules()), {**parameters, **ends})
    ]


def _parameters(ledger: Ledger, seam: Seam) -> dict[str, object]:
    return {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "time_zone": ledger.time_zone,
        "meters": meters_parameter(_compared_rules()),
        "being_filled": sorted({rule.id for rule in rules_in_rollups() if not rule.is_filled}),
        **seam_parameters(seam),
    }


def _compared_rules() -> list[MeterRule]:
    """Return the meters whose rollups must equal the ledger: all that are not being filled."""
    return [rule for rule in rules_in_rollups() if rule.is_filled]


def _orphans(ledger: Ledger, table: str, matched: int, total: int) -> list[Drift]:
    if matched == total:
        return []
    return [
        Drift(
            ledger.tenant_id,
            ledger.is_live,
            table,
            {"rows": "without their counterpart"},
            quantity_in_ledger=Decimal(matched),
            quantity_in_rollup=Decimal(total),
            events_in_ledger=matched,
            events_in_rollup=total,
        )
    ]
