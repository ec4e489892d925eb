"""Anomalies: usage that is far from what is usual for that hour of the week, and meters that stopped. Pure.

`docs/algorithms/anomalies.md` has the rules with worked numbers, and how they were measured.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from enum import StrEnum
from statistics import median, median_low
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from metering.domain.periods import start_of_day, start_of_hour

WEEKS: Final = 4
WEEKS_MIN: Final = 2
HISTORY_DAYS: Final = 36  # four weeks, and the same day of the month before
SILENT_MAX: Final = timedelta(days=7)
ACCEPTED_FOR: Final = timedelta(weeks=4)  # then the weeks before show whether it was usual
_HOUR, _DAY, _WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
_DAYS_BACK: Final = 28
_LATEST_DAYS: Final = 7  # a leak that grows slowly makes these alike
_SAME_DAY_OF_LAST_MONTH: Final = range(28, 32)
_AROUND: Final = (-_HOUR, timedelta(0), _HOUR)
_ZERO, _ONE = Decimal(0), Decimal(1)
_MAD_TO_DEVIATION: Final = Decimal("1.4826")
_STEP: Final = Decimal("1E-9")
_CONTEXT: Final = Context(prec=80, rounding=ROUND_HALF_UP)


class Pattern(StrEnum):
    """What is unusual."""

    SPIKE = "spike"
    RISE = "rise"
    DROP = "drop"
    SILENCE = "silence"


class Use(NamedTuple):
    """The quantity of a window and the number of its events."""

    quantity: Decimal
    events: int


NOTHING: Final = Use(_ZERO, 0)


@dataclass(frozen=True, slots=True)
class AnomalyRules:
    """The numbers by which usage is judged. The defaults were chosen by the bench."""

    factor: Decimal = Decimal(5)
    young_factor: Decimal = Decimal("1.5")
    day_factor: Decimal = Decimal("2.5")
    spreads: Decimal = Decimal(9)
    volume_share: Decimal = Decimal("0.25")
    recurring_share: Decimal = Decimal("0.6")
    recurring_day_share: Decimal = Decimal("0.8")
    recurring_days: int = 2
    accepted_room: Decimal = Decimal("1.25")
    events_min: int = 20
    silent_hours_min: int = 3
    silent_events_min: int = 12


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An unusual window, with what was expected of it."""

    pattern: Pattern
    window_start: datetime
    window_end: datetime
    quantity: Decimal
    expected: Decimal


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a person called fine: usage up to `high` and down to `low`, and silence if `silence`."""

    high: Decimal = _ZERO
    low: Decimal | None = None
    is_silence: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """A meter's hours of UTC that have events, in the zone of its tenant, and when its usage began."""

    hours: Mapping[datetime, Use]
    zone: str
    began_at: datetime

    def at(self, hour: datetime) -> Use:
        """Return the usage of an hour."""
        return self.hours.get(hour, NOTHING)

    def within(self, start: datetime, end: datetime) -> Use:
        """Return the usage of the hours that begin in `[start, end)`."""
        quantity, events, hour = _ZERO, 0, start_of_hour(start)
        while hour < end:
            use = self.hours.get(hour)
            if use is not None:
                quantity += use.quantity
                events += use.events
            hour += _HOUR
        return Use(quantity, events)

    def of_day(self, day: date) -> Use:
        """Return the usage of a day of the zone; see `metering.selectors.past_days` for zones of half hours."""
        return self.within(*day_hours(day, self.zone))

    def days_before(self, day: date, number: int) -> dict[date, Use]:
        """Return the usage of so many days before a day."""
        return {before: self.of_day(before) for before in (day - n * _DAY for n in range(1, number + 1))}


def day_hours(day: date, zone: str) -> tuple[datetime, datetime]:
    """Return the first hour of UTC of a day, and that of the next day."""
    return start_of_hour(start_of_day(day, zone)), start_of_hour(start_of_day(day + _DAY, zone))


def weeks_before(hour: datetime, weeks: int, zone: str) -> datetime:
    """Return the hour of UTC with the same weekday and time on the clocks of the zone, so many weeks before."""
    here = ZoneInfo(zone)
    local = hour.astimezone(here).replace(tzinfo=None) - weeks * _WEEK
    return start_of_hour(local.replace(tzinfo=here).astimezone(UTC))


def expected_of_hour(history: History, hour: datetime) -> Decimal | None:
    """Return the median of the hour and its neighbours in the weeks before; None if fewer than two are known."""
    samples = _samples(history, hour)
    return _rounded(median(samples)) if samples else None


def expected_of_day(days: Mapping[date, Use], day: date) -> Decimal | None:
    """Return the median of the same weekday in the weeks before, since usage began; None if only one is known."""
    began_on = min((one for one, use in days.items() if use.events), default=day)
    before = {day - n * _DAY: days.get(day - n * _DAY, NOTHING) for n in range(1, HISTORY_DAYS)}
    same = _same_weekdays(before, day, lambda one: one >= began_on)
    return _rounded(median(use.quantity for use in same)) if same else None


def judge_hour(
    history: History, hour: datetime, *, rules: AnomalyRules, accepted: Accepted | None = None
) -> Anomaly | None:
    """Return the spike of an hour. It may be judged while it runs, since its usage only grows."""
    samples, use = _samples(history, hour), history.at(hour)
    if not samples or use.quantity <= 0:
        return None
    with localcontext(_CONTEXT):
        expected, spread = _usual(samples)
        if use.quantity < max(
            expected * _factor(len(samples) // len(_AROUND), rules), expected + rules.spreads * spread
        ):
            return None
        days = [history.within(hour - (n + 1) * _DAY, hour - n * _DAY) for n in range(_DAYS_BACK)]
        usual_day = median(day.quantity for day in days)
        usual_events = median_low(day.events for day in days)
        if not _is_enough(use, usual_day, usual_events, rules) or _is_accepted_high(use, accepted, rules):
            return None
        level = use.quantity * rules.recurring_share
        alike = [
            any(history.at(hour - n * _DAY + shift).quantity >= level for shift in _AROUND)
            for n in range(1, _SAME_DAY_OF_LAST_MONTH.stop)
        ]
        if _recurs(alike, rules):
            return None
    return Anomaly(Pattern.SPIKE, hour, hour + _HOUR, use.quantity, _rounded(expected))


def judge_day(history: History, day: date, *, rules: AnomalyRules, accepted: Accepted | None = None) -> Anomaly | None:
    """Return the rise or the drop of a day that has ended."""
    start, end = day_hours(day, history.zone)
    use = history.of_day(day)
    days = history.days_before(day, HISTORY_DAYS - 1)
    same = _same_weekdays(days, day, lambda before: day_hours(before, history.zone)[0] >= history.began_at)
    if not same or not use.events:
        return None
    with localcontext(_CONTEXT):
        expected = median(one.quantity for one in same)
        events = median_low(one.events for one in same)
        spread = _spread_of_days(days, day)
        if expected <= 0 or max(use.events, events) < rules.events_min:
            return None
        alike = rules.recurring_day_share
        if use.quantity >= expected * max(rules.day_factor, _ONE + rules.spreads * spread):
            known = [one.quantity >= use.quantity * alike for one in days.values()]
            if not _recurs(known, rules, _LATEST_DAYS) and not _is_accepted_high(use, accepted, rules):
                return Anomaly(Pattern.RISE, start, end, use.quantity, _rounded(expected))
        elif use.quantity <= expected * min(_ONE / rules.day_factor, _ONE - rules.spreads * spread):
            known = [one.quantity * alike <= use.quantity for one in days.values()]
            if not _recurs(known, rules, _LATEST_DAYS) and not _is_accepted_low(use, accepted, rules):
                return Anomaly(Pattern.DROP, start, end, use.quantity, _rounded(expected))
    return None


def judge_silence(
    history: History, as_of: datetime, *, rules: AnomalyRules, accepted: Accepted | None = None
) -> Anomaly | None:
    """Return the silence that lasts until the running hour, of a meter that spoke then in the weeks before."""
    spoke = [hour for hour, use in history.hours.items() if use.events > 0]
    if not spoke or (accepted is not None and accepted.is_silence):
        return None
    start, end = max(spoke) + _HOUR, start_of_hour(as_of)
    if not rules.silent_hours_min * _HOUR <= end - start <= SILENT_MAX:
        return None
    weeks = [
        history.within(before, before + (end - start))
        for before in (weeks_before(start, number, history.zone) for number in range(1, WEEKS + 1))
        if before >= history.began_at
    ]
    loud = sum(week.events >= rules.silent_events_min for week in weeks)
    if loud < max(WEEKS_MIN, len(weeks) - 1):
        return None
    with localcontext(_CONTEXT):
        return Anomaly(Pattern.SILENCE, start, end, _ZERO, _rounded(median(week.quantity for week in weeks)))


def judge_key_day(
    days: Mapping[date, Use],
    day: date,
    *,
    zone: str,
    usual_day: Decimal,
    rules: AnomalyRules,
    accepted: Accepted | None = None,
) -> Anomaly | None:
    """Return the spike of a key's day, which may still run. `usual_day` is the meter's, with all keys."""
    use = days.get(day, NOTHING)
    began_on = min((one for one, used in days.items() if used.events), default=day)
    before = {day - n * _DAY: days.get(day - n * _DAY, NOTHING) for n in range(1, HISTORY_DAYS)}
    same = _same_weekdays(before, day, lambda one: one >= began_on)
    if not same or use.quantity <= 0:
        return None
    with localcontext(_CONTEXT):
        expected, spread = _usual([one.quantity for one in same])
        most = max(expected * _factor(len(same), rules), expected + rules.spreads * spread)
        if use.quantity < most or not _is_enough(use, usual_day, 0, rules) or _is_accepted_high(use, accepted, rules):
            return None
        if _recurs([one.quantity >= use.quantity * rules.recurring_day_share for one in before.values()], rules):
            return None
    start, end = day_hours(day, zone)
    return Anomaly(Pattern.SPIKE, start, end, use.quantity, _rounded(expected))


def _samples(history: History, hour: datetime) -> list[Decimal]:
    """Return the quantities of the hour and its neighbours in the known weeks; none if too few are known."""
    hours = [weeks_before(hour, number, history.zone) for number in range(1, WEEKS + 1)]
    known = [one for one in hours if one - _HOUR >= history.began_at]
    if len(known) < WEEKS_MIN:
        return []
    return [history.at(one + shift).quantity for one in known for shift in _AROUND]


def _same_weekdays(days: Mapping[date, Use], day: date, is_known: Callable[[date], bool]) -> Sequence[Use]:
    """Return the same weekday of the known weeks before; none if too few are known."""
    before = [day - number * _WEEK for number in range(1, WEEKS + 1)]
    known = [days[one] for one in before if is_known(one)]
    return known if len(known) >= WEEKS_MIN else []


def _usual(samples: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Return the median, and the deviation that the median absolute deviation stands for in a normal distribution."""
    middle = median(samples)
    return middle, _MAD_TO_DEVIATION * median(abs(sample - middle) for sample in samples)


def _spread_of_days(days: Mapping[date, Use], day: date) -> Decimal:
    """Return by which part days of the last four weeks differ from the median of their weekday."""
    latest = {one: use.quantity for one, use in days.items() if one >= day - _DAYS_BACK * _DAY}
    usual = {
        weekday: median(quantity for one, quantity in latest.items() if one.weekday() == weekday)
        for weekday in {one.weekday() for one in latest}
    }
    parts = [
        abs(quantity / usual[one.weekday()] - _ONE) for one, quantity in latest.items() if usual[one.weekday()] > 0
    ]
    return _MAD_TO_DEVIATION * median(parts) if parts else _ZERO


def _factor(weeks: int, rules: AnomalyRules) -> Decimal:
    return rules.factor if weeks == WEEKS else rules.factor * rules.young_factor


def _is_enough(use: Use, usual_day: Decimal, usual_events: int, rules: AnomalyRules) -> bool:
    """Return whether a spike matters: it is a good part of a usual day, and there are enough events to judge by."""
    return use.quantity >= usual_day * rules.volume_share and max(use.events, usual_events) >= rules.events_min


def _recurs(alike: Iterable[bool], rules: AnomalyRules, without_latest: int = 0) -> bool:
    """Return whether the level came before: on some of the last 28 days, or on the same day of the last month."""
    days = list(alike)
    return sum(days[without_latest:_DAYS_BACK]) >= rules.recurring_days or any(
        days[n - 1] for n in _SAME_DAY_OF_LAST_MONTH
    )


def _is_accepted_high(use: Use, accepted: Accepted | None, rules: AnomalyRules) -> bool:
    return accepted is not None and use.quantity <= accepted.high * rules.accepted_room


def _is_accepted_low(use: Use, accepted: Accepted | None, rules: AnomalyRules) -> bool:
    return accepted is not None and accepted.low is not None and use.quantity * rules.accepted_room >= accepted.low


def _rounded(number: Decimal) -> Decimal:
    """Return a quantity to 9 places without trailing zeros."""
    return Decimal(format(number.quantize(_STEP, context=_CONTEXT).normalize(_CONTEXT), "f"))
