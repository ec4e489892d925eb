"""Quiet hours and the time of the daily digest, by the clock of a time zone. Pure.

A wall time that a change to summer time leaves out happens as much later as the clocks are moved; one that happens
twice is meant at its first time.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The span of each day in which only urgent notices are sent. It may go over midnight."""

    begins: time
    ends: time

    def over_at(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return when what happens at `at` may be sent: at once, or when the quiet hours end."""
        local = at.astimezone(zone)
        now = local.time()
        is_over_midnight = self.ends <= self.begins
        has_begun, has_ended = now >= self.begins, now >= self.ends
        is_quiet = has_begun or not has_ended if is_over_midnight else has_begun and not has_ended
        if not is_quiet:
            return at
        ends_on = local.date() + (_DAY if is_over_midnight and now >= self.begins else timedelta(0))
        ends_at = instant_of(ends_on, self.ends, zone)
        # In the second pass of a repeated hour, the end is that of this pass.
        return ends_at if ends_at > at else max(at, instant_of(ends_on, self.ends, zone, fold=1))


def instant_of(day: date, wall: time, zone: ZoneInfo, *, fold: int = 0) -> datetime:
    """Return the instant at which the clocks of the zone show `wall` on this day."""
    return datetime.combine(day, wall.replace(fold=fold), tzinfo=zone).astimezone(UTC)


def next_digest_at(after: datetime, wall: time, zone: ZoneInfo) -> datetime:
    """Return the first time of the digest that is later than `after`."""
    today = after.astimezone(zone).date()
    days = (today - _DAY, today, today + _DAY, today + 2 * _DAY)
    return next(at for at in (instant_of(day, wall, zone) for day in days) if at > after)
