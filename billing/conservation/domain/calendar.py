"""Billing periods by the calendar of a time zone: the days on which they begin, and the first instants of those days.

It follows `docs/algorithms/periods.md`, sections D and A, and was written from the page only.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

_MINUTE: Final = timedelta(minutes=1)


def first_instant(day: date, zone: tzinfo) -> datetime:
    """Return when a day begins: at its midnight, the first one if there are two, or at the change that skips it."""
    instant = datetime.combine(day, time(), zone).astimezone(UTC)
    while (instant - _MINUTE).astimezone(zone).date() >= day and not _comes_again(instant, zone):
        instant -= _MINUTE
    return instant


def _comes_again(instant: datetime, zone: tzinfo) -> bool:
    """Return whether clocks showed a later time a minute before, because they were put back."""
    return (instant - _MINUTE).astimezone(zone).replace(tzinfo=None) > instant.astimezone(zone).replace(tzinfo=None)


def months_after(day: date, months: int) -> date:
    """Return the same day `months` later, or the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    following = date(year + month // 11, (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))


def boundary(anchor: datetime, number: int, zone: tzinfo) -> datetime:
    """Return when period `number` begins, if the first begins at `anchor`, which is the beginning of a day."""
    if number == 0:
        return anchor
    local = anchor.astimezone(zone)
    day = months_after(local.date(), number)
    if anchor == first_instant(local.date(), zone):
        return first_instant(day, zone)
    return datetime.combine(day, local.time(), zone).astimezone(UTC)


def day_of(instant: datetime, zone: tzinfo) -> date:
    """Return the day of an instant."""
    return instant.astimezone(zone).date()
