"""Retention of raw events by whole months of UTC; see `docs/decisions/0021-retention-of-events.md`. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from metering.domain.periods import YearMonth, local_day, start_of_day

# The longest month, the usual window for late events, the last check after it, and time for a person to check.
MONTHS_LEAST: Final = 4
# How far the days of the last deleted month reach past its end, in any zone and after a change of zone.
SEAM: Final = timedelta(days=3)
# The time between two steps of a month: longer than any request or run that began before the first step.
STEP_APART: Final = timedelta(hours=2)
# Events younger than this are in no closed month, whatever the term.
ALWAYS_KEPT: Final = timedelta(days=110)
LATENESS_MARGIN: Final = timedelta(days=2)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Seam:
    """The point from which the rollups of a ledger are computed from events; before it they are sealed.

    Hours are computed from events from `hours_from` on. Days are from `days_from` on, which began at `days_since`, in
    the zone that the tenant had then.
    """

    hours_from: datetime
    days_from: date
    days_since: datetime


def month_start(month: date) -> datetime:
    """Return the first instant of a month of UTC, of which `month` is any day."""
    return datetime.combine(month.replace(day=1), time(), UTC)


def month_after(month: date) -> date:
    """Return the first day of the next month."""
    return YearMonth.of(month).plus(1).first_day()


def first_month_kept(as_of: datetime, months: int) -> date:
    """Return the first day of the earliest month whose events are kept, if they are kept for `months` whole months."""
    return YearMonth.of(as_of.astimezone(UTC).date()).plus(-months).first_day()


def seam_after(month: date, zone: str) -> Seam:
    """Return the seam of a ledger in `zone` once the events of `month` are sealed: the first whole day after it."""
    end = month_start(month_after(month))
    day = local_day(end, zone)
    if start_of_day(day, zone) < end:
        day += _DAY
    return Seam(end, day, start_of_day(day, zone))


def is_out_of_reach(month: date, as_of: datetime, backfill_days: int) -> bool:
    """Return whether no late event can arrive for `month` any more, by the longest backfill window of a tenant."""
    end = month_start(month_after(month))
    return end + SEAM + timedelta(days=backfill_days) + LATENESS_MARGIN <= as_of
