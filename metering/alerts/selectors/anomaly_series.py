"""What was expected and what was seen around an anomaly: by hour, or by day for whole days and keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from metering.alerts.domain.anomalies import HISTORY_DAYS, NOTHING, Pattern, Use, expected_of_day, expected_of_hour
from metering.alerts.models import ThresholdAlert
from metering.alerts.selectors.anomaly_candidates import MeterOf, days_of_keys, histories_of
from metering.domain.periods import start_of_day, start_of_hour

HOURS_BEFORE: Final = 18
HOURS_AFTER: Final = 12
DAYS_BEFORE: Final = 13
DAYS_AFTER: Final = 3
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """An hour or a day: what was seen, and what was expected by the weeks before it; None if they are not known."""

    start: datetime
    seen: Decimal
    expected: Decimal | None
    is_unusual: bool


@dataclass(frozen=True, slots=True)
class AnomalySeries:
    """The points around an anomaly, the oldest first."""

    is_by_day: bool
    points: tuple[SeriesPoint, ...]


def anomaly_series(*, alert: ThresholdAlert, time_zone: str, as_of: datetime) -> AnomalySeries:
    """Return the points around an anomaly until the running hour or day."""
    assert alert.meter_id is not None
    assert alert.period_start_on is not None
    meter = MeterOf(alert.tenant_id, alert.meter_id)
    if alert.api_key_id is not None or alert.pattern in {Pattern.RISE, Pattern.DROP}:
        return _by_day(meter, alert.api_key_id, alert.period_start_on, time_zone, as_of)
    return _by_hour(meter, alert, time_zone, as_of)


def _by_hour(meter: MeterOf, alert: ThresholdAlert, time_zone: str, as_of: datetime) -> AnomalySeries:
    start, end = alert.window_start_at, alert.window_end_at
    assert start is not None
    assert end is not None
    last = min(max(end, start + HOURS_AFTER * _HOUR), end + HOURS_AFTER * _HOUR, start_of_hour(as_of) + _HOUR)
    first = start - HOURS_BEFORE * _HOUR
    known = histories_of(
        [meter], zones={meter.tenant_id: time_zone}, since=first - HISTORY_DAYS * _DAY, until=last
    ).get(meter)
    hours = [first + n * _HOUR for n in range((last - first) // _HOUR)]
    return AnomalySeries(
        is_by_day=False,
        points=tuple(
            SeriesPoint(
                hour,
                known.at(hour).quantity if known else NOTHING.quantity,
                expected_of_hour(known, hour) if known else None,
                is_unusual=start <= hour < end,
            )
            for hour in hours
        ),
    )


def _by_day(meter: MeterOf, key: UUID | None, day: date, time_zone: str, as_of: datetime) -> AnomalySeries:
    days = [day + n * _DAY for n in range(-DAYS_BEFORE, DAYS_AFTER + 1)]
    starts = {one: start_of_day(one, time_zone) for one in days}
    known = days_of_keys([meter], until=starts[days[-1]], days_before=HISTORY_DAYS + len(days)).get(meter, {})
    of_days = known.get(key, {}) if key is not None else _of_all_keys(known)
    return AnomalySeries(
        is_by_day=True,
        points=tuple(
            SeriesPoint(
                starts[one], of_days.get(one, NOTHING).quantity, expected_of_day(of_days, one), is_unusual=one == day
            )
            for one in days
            if starts[one] <= as_of
        ),
    )


def _of_all_keys(keys: Mapping[UUID, Mapping[date, Use]]) -> dict[date, Use]:
    found: dict[date, Use] = {}
    for uses in keys.values():
        for day, use in uses.items():
            before = found.get(day, NOTHING)
            found[day] = Use(before.quantity + use.quantity, before.events + use.events)
    return found
