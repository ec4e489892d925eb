"""Days, weeks, months and billing periods of a tenant's time zone, as half-open spans of UTC.

Spans of one kind tile time: each ends when the next begins, whatever daylight saving does.
A day begins at the first instant that the zone's calendar gives to it or to a later day; so a
day that the zone skipped (Apia, 30 December 2011) is an empty span.
`docs/algorithms/periods.md` has the rules with worked examples.
"""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_WEEK_DAYS: Final = 7
# Billing periods of a tenant without a subscription are the calendar's months.
_FIRST_OF_A_MONTH: Final = date(2000, 1, 1)
_SECOND: Final = timedelta(seconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_HOURS_SHOWN: Final = 24
_MONTHS_IN_YEAR: Final = 12
_YEAR_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


class Period(StrEnum):
    """The periods after which a quota starts again."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    BILLING = "billing"

    @property
    def words(self) -> str:
        """Return the period as in "500 requests a billing period"."""
        return "billing period" if self is Period.BILLING else self.value

    @property
    def words_of_current(self) -> str:
        """Return the current period as in "500 requests this week"."""
        return "today" if self is Period.DAY else f"this {self.words}"


class Span(NamedTuple):
    """A half-open span `[start, end)` of aware UTC instants."""

    start: datetime
    end: datetime

    def contains(self, instant: datetime) -> bool:
        """Return whether `instant` is in the span; the end is excluded."""
        return self.start <= instant < self.end


class YearMonth(NamedTuple):
    """A calendar month."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `2026-11`. Returns None if it is not a month for which a span can be computed."""
        shape = _YEAR_MONTH.fullmatch(text)
        if shape is None:
            return None
        year, month = int(shape[1]), int(shape[2])
        return cls(year, month) if date.min.year < year < date.max.year else None

    @classmethod
    def of(cls, day: date) -> Self:
        """Return the month in which `day` lies."""
        return cls(day.year, day.month)

    def plus(self, months: int) -> Self:
        """Return the month `months` later; a negative number goes back."""
        years, month = divmod(self.month - 1 + months, _MONTHS_IN_YEAR)
        return type(self)(self.year + years, month + 1)

    def first_day(self) -> date:
        """Return the first day of the month."""
        return date(self.year, self.month, 1)

    def __str__(self) -> str:
        """Return the month as `2026-11`, as addresses have it."""
        return self.isoformat()

    def isoformat(self) -> str:
        """Return the month as `2026-11`, which `parse` reads."""
        return f"{self.year:04}-{self.month:02}"


def is_known_zone(name: str) -> bool:
    """Return whether `name` is a known IANA time zone."""
    return name in _zone_names()


def day_span(day: date, zone: str) -> Span:
    """Return the calendar day in `zone`."""
    return Span(start_of_day(day, zone), start_of_day(day + _DAY, zone))


def month_span(month: YearMonth, zone: str) -> Span:
    """Return the calendar month in `zone`."""
    return Span(
        start_of_day(month.first_day(), zone),
        start_of_day(month.plus(1).first_day(), zone),
    )


def span_of(period: Period, as_of: datetime, zone: str, anchor_on: date | None = None) -> Span:
    """Return the period of `zone` in which `as_of` lies; see `days_of`."""
    first, end = days_of(period, local_day(as_of, zone), anchor_on)
    return Span(start_of_day(first, zone), start_of_day(end, zone))


def days_of(period: Period, day: date, anchor_on: date | None = None) -> tuple[date, date]:
    """Return the first day of the period in which `day` lies, and the first day of the next one.

    A week begins on Monday (ISO 8601). Billing periods are months from `anchor_on`, as in rule A2; without it those of
    the calendar.
    """
    if period is Period.DAY:
        return day, day + _DAY
    if period is Period.WEEK:
        monday = day - day.weekday() * _DAY
        return monday, monday + _WEEK_DAYS * _DAY
    anchor = anchor_on if anchor_on is not None and period is Period.BILLING else _FIRST_OF_A_MONTH
    number = (day.year - anchor.year) * _MONTHS_IN_YEAR + day.month - anchor.month
    first = _day_of_month(anchor, number)
    if first > day:
        return _day_of_month(anchor, number - 1), first
    return first, _day_of_month(anchor, number + 1)


@lru_cache(maxsize=4096)
def local_day(instant: datetime, zone: str) -> date:
    """Return the day whose span in `zone` contains `instant`.

    It is the date on the zone's clocks, except when clocks went back over midnight: the days
    must tile, so the new day continues (St John's, until 2011, for an hour a year).
    """
    day = instant.astimezone(_zone(zone)).date()
    return day + _DAY if instant >= start_of_day(day + _DAY, zone) else day


@lru_cache(maxsize=4096)
def last_local_day(span: Span, zone: str) -> date:
    """Return the day of a span's last microsecond in a zone; an empty span has the day of its instant."""
    return local_day(max(span.start, span.end - _MICROSECOND), zone)


def days_between(start: datetime, end: datetime, zone: str) -> list[date]:
    """Return the days of `zone` that have an instant in `[start, end)`, in order."""
    if start >= end:
        return []
    first, last = local_day(start, zone), local_day(end - _MICROSECOND, zone)
    days = calendar_days(first, last + _DAY)
    return [day for day in days if start_of_day(day, zone) < start_of_day(day + _DAY, zone)]


def calendar_days(start: date, end: date) -> list[date]:
    """Return the dates from `start` to `end`, which is excluded."""
    return [start + number * _DAY for number in range((end - start).days)]


def is_in_reach(day: date) -> bool:
    """Return whether spans around `day` can be computed in every zone."""
    return date.min.year < day.year < date.max.year


def last_24_hours(as_of: datetime) -> list[Span]:
    """Return 24 whole hours of UTC, the current one last."""
    running = start_of_hour(as_of)
    starts = (running - number * _HOUR for number in reversed(range(_HOURS_SHOWN)))
    return [Span(start, start + _HOUR) for start in starts]


def start_of_hour(instant: datetime) -> datetime:
    """Return the whole hour of UTC in which `instant` lies."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def end_of_hour(instant: datetime) -> datetime:
    """Return the whole hour of UTC at or after `instant`."""
    start = start_of_hour(instant)
    return start if start == instant else start + _HOUR


def anchored_span(anchor: datetime, index: int, zone: str) -> Span:
    """Return the billing period number `index` after `anchor`; the first is 0.

    Boundaries keep the anchor's day and time of day in `zone`. If the anchor is the beginning
    of its day, whatever clocks showed then, they are the beginnings of theirs. Each is computed
    from the anchor and not from the previous boundary, so after February a 31st is a 31st again
    in March.
    """
    return Span(
        _boundary(anchor, index, zone),
        _boundary(anchor, index + 1, zone),
    )


@lru_cache(maxsize=4096)
def start_of_day(day: date, zone: str) -> datetime:
    """Return the first instant that the calendar of `zone` gives to `day` or to a later one."""
    zone_info = _zone(zone)
    midnight = datetime.combine(day, time(), tzinfo=zone_info)
    early = midnight.astimezone(UTC)
    late = midnight.replace(fold=1).astimezone(UTC)
    if early <= late:  # Midnight exists, once or twice: the first one counts.
        return early
    # Clocks went forward over midnight: find the change, on a whole second between the two.
    before, after = late, early
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone_info).date() >= day:
            after = middle
        else:
            before = middle
    return after


@lru_cache(maxsize=4096)
def _boundary(anchor: datetime, index: int, zone: str) -> datetime:
    """Return the start of the anchored period number `index`, in UTC."""
    if index == 0:
        return anchor.astimezone(UTC)
    first = local_day(anchor, zone)
    if anchor == start_of_day(first, zone):
        return start_of_day(_day_of_month(first, index), zone)
    local = anchor.astimezone(_zone(zone))
    day = _day_of_month(local.date(), index)
    moved = local.replace(year=day.year, month=day.month, day=day.day, fold=0)
    return moved.astimezone(UTC)


def _day_of_month(day: date, months: int) -> date:
    """Return the day so many months later, or the last of a month that has no such day."""
    month = YearMonth.of(day).plus(months)
    return date(month.year, month.month, min(day.day, monthrange(month.year, month.month)[1]))


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory"})


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not a known time zone.") from error
