"""Which meters and keys are worth a judgement: for all tenants by a few statements, each a superset of the rules.

The rules are in `metering.alerts.domain.anomalies`. A statement leaves out what they would surely not find, so only the
few meters that remain are read hour by hour.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from accounts.models import Tenant, TenantStatus
from accounts.sql import as_json, fetch_all
from metering.alerts.domain.anomalies import HISTORY_DAYS, WEEKS, AnomalyRules, History, Use, weeks_before
from metering.domain.aggregations.registry import ADDITIVE_CODES
from metering.domain.periods import calendar_days, end_of_hour, local_day, start_of_hour

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_AROUND: Final = (-_HOUR, timedelta(0), _HOUR)
NO_KEY: Final = UUID(int=0)
# The lower median of so many samples, of which those without a row are 0 and stand first.
_LOWER_MEDIAN: Final = (
    "coalesce((array_agg(s.quantity ORDER BY s.quantity))[{middle} - ({number} - count(s.quantity))], 0)"
)
_METERS: Final = "SELECT id FROM metering_meter WHERE aggregation = ANY(%(additive)s::text[])"
_TENANTS: Final = """t.status = 'active'
        AND (%(tenant_ids)s::uuid[] IS NULL OR t.id = ANY(%(tenant_ids)s::uuid[]))"""
_NOT_TOLD: Final = """NOT EXISTS (
        SELECT FROM alerts_thresholdalert AS a WHERE a.kind = 'anomaly' AND a.tenant_id = {row}.tenant_id
            AND a.meter_id = {row}.meter_id AND a.api_key_id IS NOT DISTINCT FROM {key}
            AND a.period_start_on = {day})"""

SPIKE_CANDIDATES: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(asked)s::jsonb) AS a(zone text, hour timestamptz, samples timestamptz[])
),
used AS MATERIALIZED (
    SELECT h.tenant_id, h.meter_id, h.hour, t.time_zone, sum(h.quantity) AS quantity, sum(h.events) AS events
    FROM usage_hour AS h
    JOIN accounts_tenant AS t ON t.id = h.tenant_id AND {_TENANTS}
    WHERE h.is_live AND h.hour = ANY(%(hours)s::timestamptz[]) AND h.meter_id IN ({_METERS})
    GROUP BY 1, 2, 3, 4 HAVING sum(h.quantity) > 0
),
high AS MATERIALIZED (
    SELECT u.* FROM used AS u
    JOIN asked AS a ON a.zone = u.time_zone AND a.hour = u.hour
    CROSS JOIN LATERAL (
        SELECT {_LOWER_MEDIAN.format(middle=6, number=12)} AS middle FROM (
            SELECT sum(b.quantity) AS quantity FROM usage_hour AS b
            WHERE b.tenant_id = u.tenant_id AND b.is_live AND b.meter_id = u.meter_id AND b.hour = ANY(a.samples)
            GROUP BY b.hour) AS s
    ) AS m
    WHERE u.quantity >= m.middle * %(factor)s::numeric
        AND {_NOT_TOLD.format(row="u", key="NULL", day="(u.hour AT TIME ZONE u.time_zone)::date")}
)
SELECT h.tenant_id, h.meter_id, h.hour FROM high AS h
CROSS JOIN LATERAL (
    SELECT {_LOWER_MEDIAN.format(middle=14, number=28)} AS quantity,
        coalesce((array_agg(s.events ORDER BY s.events))[14 - (28 - count(s.events))], 0) AS events
    FROM (
        SELECT sum(b.quantity) AS quantity, sum(b.events) AS events FROM usage_hour AS b
        WHERE b.tenant_id = h.tenant_id AND b.is_live AND b.meter_id = h.meter_id
            AND b.hour >= h.hour - interval '28 days' AND b.hour < h.hour
        GROUP BY floor(extract(epoch FROM h.hour - b.hour - interval '1 second') / 86400)) AS s
) AS usual
WHERE h.quantity >= usual.quantity * %(volume_share)s::numeric AND greatest(h.events, usual.events) >= %(events_min)s
ORDER BY 1, 2, 3
"""

DAY_CANDIDATES: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(asked)s::jsonb) AS a(zone text, day date)
),
days AS MATERIALIZED (
    SELECT d.tenant_id, d.meter_id, a.day, (a.day - d.day) / 7 AS week, sum(d.quantity) AS quantity,
        sum(d.events) AS events
    FROM asked AS a
    JOIN accounts_tenant AS t ON t.time_zone = a.zone AND {_TENANTS}
    CROSS JOIN ({_METERS}) AS m
    JOIN usage_day AS d ON d.tenant_id = t.id AND d.is_live AND d.meter_id = m.id
        AND d.day IN (a.day, a.day - 7, a.day - 14, a.day - 21, a.day - 28)
    GROUP BY 1, 2, 3, 4
)
SELECT d.tenant_id, d.meter_id, d.day FROM days AS d
CROSS JOIN LATERAL (
    SELECT {_LOWER_MEDIAN.format(middle=2, number=4)} AS low, {_LOWER_MEDIAN.format(middle=3, number=4)} AS high,
        coalesce(max(s.events), 0) AS events
    FROM days AS s WHERE s.tenant_id = d.tenant_id AND s.meter_id = d.meter_id AND s.day = d.day AND s.week > 0
) AS m
WHERE d.week = 0 AND d.events > 0 AND m.high > 0 AND greatest(d.events, m.events) >= %(events_min)s
    AND (d.quantity >= m.low * %(day_factor)s::numeric OR d.quantity * %(day_factor)s::numeric <= greatest(m.high, 0))
    AND {_NOT_TOLD.format(row="d", key="NULL", day="d.day")}
ORDER BY 1, 2, 3
"""

KEY_CANDIDATES: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(asked)s::jsonb) AS a(zone text, day date)
),
days AS MATERIALIZED (
    SELECT d.tenant_id, d.meter_id, d.api_key_id, a.day, (a.day - d.day) / 7 AS week, sum(d.quantity) AS quantity,
        sum(d.events) AS events
    FROM asked AS a
    JOIN accounts_tenant AS t ON t.time_zone = a.zone AND {_TENANTS}
    CROSS JOIN ({_METERS}) AS m
    JOIN usage_day AS d ON d.tenant_id = t.id AND d.is_live AND d.meter_id = m.id
        AND d.day IN (a.day, a.day - 7, a.day - 14, a.day - 21, a.day - 28)
    WHERE d.api_key_id <> %(no_key)s
    GROUP BY 1, 2, 3, 4, 5
)
SELECT d.tenant_id, d.meter_id, d.day, d.api_key_id FROM days AS d
CROSS JOIN LATERAL (
    SELECT {_LOWER_MEDIAN.format(middle=2, number=4)} AS low
    FROM days AS s WHERE s.tenant_id = d.tenant_id AND s.meter_id = d.meter_id AND s.api_key_id = d.api_key_id
        AND s.day = d.day AND s.week > 0
) AS m
WHERE d.week = 0 AND d.events >= %(events_min)s AND d.quantity > 0 AND d.quantity >= m.low * %(factor)s::numeric
    AND {_NOT_TOLD.format(row="d", key="d.api_key_id", day="d.day")}
ORDER BY 1, 2, 3, 4
"""

# Weeks are moved on the clocks of the zone; an hour more on both sides covers what clocks that change make of it.
SILENT_CANDIDATES: Final = f"""
SELECT t.id, m.id FROM accounts_tenant AS t
CROSS JOIN ({_METERS}) AS m
CROSS JOIN LATERAL (
    SELECT hour + interval '1 hour' AS since FROM usage_hour AS h
    WHERE h.tenant_id = t.id AND h.is_live AND h.meter_id = m.id AND h.events > 0 AND h.hour < %(as_of)s
    ORDER BY h.hour DESC LIMIT 1
) AS last
WHERE {_TENANTS} AND last.since <= %(silent_since_max)s AND last.since >= %(silent_since_min)s
    AND (
        SELECT count(*) FROM generate_series(1, {WEEKS}) AS week
        WHERE (
            SELECT sum(b.events) FROM usage_hour AS b
            WHERE b.tenant_id = t.id AND b.is_live AND b.meter_id = m.id
                AND b.hour >= last.since - week * interval '7 days' - interval '1 hour'
                AND b.hour < %(silent_until)s::timestamptz - week * interval '7 days' + interval '1 hour'
        ) >= %(silent_events_min)s
    ) >= 2
ORDER BY 1, 2
"""

HOURS_OF: Final = """
SELECT h.tenant_id, h.meter_id, h.hour, sum(h.quantity), sum(h.events)::bigint
FROM jsonb_to_recordset(%(pairs)s::jsonb) AS p(tenant_id uuid, meter_id bigint)
JOIN usage_hour AS h ON h.tenant_id = p.tenant_id AND h.is_live AND h.meter_id = p.meter_id
    AND h.hour >= %(since)s AND h.hour < %(until)s
WHERE h.events > 0
GROUP BY 1, 2, 3
"""

DAYS_OF_KEYS: Final = """
SELECT d.tenant_id, d.meter_id, d.api_key_id, d.day, sum(d.quantity), sum(d.events)::bigint
FROM jsonb_to_recordset(%(pairs)s::jsonb) AS p(tenant_id uuid, meter_id bigint)
JOIN usage_day AS d ON d.tenant_id = p.tenant_id AND d.is_live AND d.meter_id = p.meter_id
    AND d.day >= %(since)s AND d.day <= %(until)s
WHERE d.events > 0
GROUP BY 1, 2, 3, 4
"""


class MeterOf(NamedTuple):
    """A tenant's meter."""

    tenant_id: UUID
    meter_id: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a pass has to judge."""

    hours: Sequence[tuple[MeterOf, datetime]]
    days: Sequence[tuple[MeterOf, date]]
    keys: Sequence[tuple[MeterOf, date, UUID]]
    silent: Sequence[MeterOf]


def active_zones(tenant_ids: Sequence[UUID] | None) -> list[str]:
    """Return the zones of active tenants, of these or of all."""
    tenants = Tenant.objects.filter(status=TenantStatus.ACTIVE)
    if tenant_ids is not None:
        tenants = tenants.filter(pk__in=tenant_ids)
    return sorted(tenants.values_list("time_zone", flat=True).distinct().order_by())


def anomaly_candidates(
    *, as_of: datetime, looked_back_to: datetime, rules: AnomalyRules, tenant_ids: Sequence[UUID] | None = None
) -> Candidates:
    """Return what may be unusual: hours and days that ended since `looked_back_to`, and those that run."""
    zones = active_zones(tenant_ids)
    parameters: dict[str, Any] = {
        "tenant_ids": None if tenant_ids is None else list(tenant_ids),
        "additive": ADDITIVE_CODES,
        "factor": rules.factor,
        "day_factor": rules.day_factor,
        "volume_share": rules.volume_share,
        "events_min": rules.events_min,
        "silent_events_min": rules.silent_events_min,
        "no_key": NO_KEY,
    }
    hours = [
        start_of_hour(looked_back_to) + n * _HOUR
        for n in range((start_of_hour(as_of) - start_of_hour(looked_back_to)) // _HOUR + 1)
    ]
    of_hours = [
        {"zone": zone, "hour": hour, "samples": sorted(_samples(hour, zone))} for zone in zones for hour in hours
    ]
    days = {zone: _days_since(looked_back_to, as_of, zone) for zone in zones}
    ended = [{"zone": zone, "day": day} for zone in zones for day in days[zone][:-1]]
    running = [{"zone": zone, "day": day} for zone in zones for day in days[zone]]
    until = start_of_hour(as_of)
    silent = {
        "as_of": as_of,
        "silent_until": until,
        "silent_since_max": until - rules.silent_hours_min * _HOUR,
        "silent_since_min": until - timedelta(days=7),
    }
    return Candidates(
        hours=[
            (MeterOf(tenant, meter), hour.astimezone(UTC))
            for tenant, meter, hour in fetch_all(
                SPIKE_CANDIDATES, parameters | {"asked": as_json(of_hours), "hours": hours}
            )
        ],
        days=[
            (MeterOf(tenant, meter), day)
            for tenant, meter, day in (
                fetch_all(DAY_CANDIDATES, parameters | {"asked": as_json(ended)}) if ended else ()
            )
        ],
        keys=[
            (MeterOf(tenant, meter), day, key)
            for tenant, meter, day, key in fetch_all(KEY_CANDIDATES, parameters | {"asked": as_json(running)})
        ],
        silent=[MeterOf(tenant, meter) for tenant, meter in fetch_all(SILENT_CANDIDATES, parameters | silent)],
    )


def histories_of(
    meters: Iterable[MeterOf], *, zones: Mapping[UUID, str], since: datetime, until: datetime
) -> dict[MeterOf, History]:
    """Return the hours of these meters in `[since, until)`; a meter without any has none."""
    found: dict[MeterOf, dict[datetime, Use]] = defaultdict(dict)
    for tenant, meter, hour, quantity, events in fetch_all(
        HOURS_OF, {"pairs": _pairs(meters), "since": since, "until": end_of_hour(until)}
    ):
        found[MeterOf(tenant, meter)][hour.astimezone(UTC)] = Use(quantity, events)
    return {meter: History(hours, zones[meter.tenant_id], min(hours)) for meter, hours in found.items()}


def days_of_keys(
    meters: Iterable[MeterOf], *, until: datetime, days_before: int = HISTORY_DAYS
) -> dict[MeterOf, dict[UUID, dict[date, Use]]]:
    """Return the days of each key of these meters until then; usage without a key stands under `NO_KEY`."""
    last = until.date() + _DAY
    found: dict[MeterOf, dict[UUID, dict[date, Use]]] = defaultdict(lambda: defaultdict(dict))
    for tenant, meter, key, day, quantity, events in fetch_all(
        DAYS_OF_KEYS, {"pairs": _pairs(meters), "since": last - (days_before + 2) * _DAY, "until": last}
    ):
        found[MeterOf(tenant, meter)][key][day] = Use(quantity, events)
    return found


def _samples(hour: datetime, zone: str) -> set[datetime]:
    return {weeks_before(hour, week, zone) + shift for week in range(1, WEEKS + 1) for shift in _AROUND}


def _days_since(start: datetime, end: datetime, zone: str) -> list[date]:
    return calendar_days(local_day(start, zone), local_day(end, zone) + _DAY)


def _pairs(meters: Iterable[MeterOf]) -> str:
    return as_json([meter._asdict() for meter in sorted(set(meters))])
