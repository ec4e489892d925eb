"""`python -m tests.bench.crossings [--seed SEED]`: how often a predicted crossing is wrong, and how early it is told.

The series are the demo's traffic from a seed that no number was chosen by: requests and bytes of each tenant, half a
year by the hour. Each whole month with 56 days before it is a quota's period, with limits from 60 to 150 percent of
what the month came to: so some are reached and some are not. Every six hours, as the job does, each limit is judged by
what was known then, until it is told once. Prints how many were told and not reached (false alarms), how many that
were reached were told before, and how many were reached within the interval. It needs no database.
"""

import argparse
import sys
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from statistics import median
from time import perf_counter

from metering.alerts.domain.alerts import CrossingDays
from metering.alerts.domain.crossings import predicted_crossing
from metering.domain.forecasting import UsageAhead, usage_ahead
from metering.domain.periods import Span, YearMonth, days_between, local_day, month_span, start_of_day
from tests.bench.forecast import AS_OF, DAY, HOUR, SEED, Hours, demo_series, past_days_of

PERCENTS = (60, 75, 90, 95, 98, 102, 105, 110, 125, 150)
STEP = 6 * HOUR
FIRST_DAYS = 57


@dataclass(frozen=True)
class Judged:
    """One limit of one month: when it was told, what was told, and when it was reached."""

    percent: int
    told_at: datetime | None
    told: CrossingDays | None
    reached_on: date | None
    reached_at: datetime | None
    zone: str

    @property
    def is_in_time(self) -> bool:
        """Return whether it was told before it was reached."""
        return self.told_at is not None and (self.reached_at is None or self.told_at < self.reached_at)


def moments(hours: Hours, zone: str, span: Span) -> Iterator[tuple[datetime, Decimal, UsageAhead, list[date]]]:
    """Yield each moment of the job with what is counted, what is expected ahead, and the days of it."""
    as_of = span.start + 45 * HOUR / 60
    in_order = sorted(hours)
    counted, position = Decimal(0), span.start
    while as_of < span.end:
        while position + HOUR <= as_of:
            counted += hours.get(position, Decimal(0))
            position += HOUR
        first, last = bisect_left(in_order, as_of - 60 * DAY), bisect_left(in_order, position)
        known = {hour: hours[hour] for hour in in_order[first:last]}
        past = past_days_of(known, zone, as_of)
        days = days_between(start_of_day(local_day(as_of, zone), zone), span.end, zone)
        if past.days:
            yield as_of, counted, usage_ahead(past=past, weekdays_ahead=[day.weekday() for day in days]), days
        as_of += STEP


def reached_at(hours: Hours, span: Span, limit: Decimal) -> datetime | None:
    """Return the hour in which a limit was reached; None if it was not."""
    total, hour = Decimal(0), span.start
    while hour < span.end:
        total += hours.get(hour, Decimal(0))
        if total >= limit:
            return hour
        hour += HOUR
    return None


def judged_month(hours: Hours, zone: str, span: Span) -> Iterator[Judged]:
    """Yield each limit of a month."""
    total = sum((quantity for hour, quantity in hours.items() if span.contains(hour)), Decimal(0))
    if not total:
        return
    limits = {percent: total * percent / 100 for percent in PERCENTS}
    told: dict[int, tuple[datetime, CrossingDays]] = {}
    for as_of, counted, ahead, days in moments(hours, zone, span):
        for percent, limit in limits.items():
            if percent in told:
                continue
            crossing = predicted_crossing(counted, limit=limit, ahead=ahead, days=days)
            if crossing is not None:
                told[percent] = (as_of, crossing)
    for percent, limit in limits.items():
        at = reached_at(hours, span, limit)
        told_at, crossing = told.get(percent, (None, None))
        yield Judged(percent, told_at, crossing, None if at is None else local_day(at, zone), at, zone)


def judged(seed: str) -> Iterator[Judged]:
    """Yield each limit of each whole month of each series."""
    for _, zone, hours in demo_series(seed, AS_OF):
        first = local_day(min(hours), zone)
        month = YearMonth.of(first).plus(1)
        while (span := month_span(month, zone)).end <= AS_OF:
            if span.start >= start_of_day(first, zone) + FIRST_DAYS * DAY:
                yield from judged_month(hours, zone, span)
            month = month.plus(1)


def line_of(name: str, some: list[Judged]) -> str:
    """Return a line of the table."""
    told = [one for one in some if one.is_in_time and one.told is not None]
    false = [one for one in told if one.reached_on is None]
    true = [one for one in told if one.reached_on is not None]
    reached = [one for one in some if one.reached_on is not None]
    inside = sum(one.told.low <= one.reached_on <= one.told.high for one in true if one.told and one.reached_on)
    errors = [abs((one.told.on - one.reached_on).days) for one in true if one.told and one.reached_on]
    early = [(one.reached_at - one.told_at) / DAY for one in true if one.reached_at and one.told_at]
    return (
        f"{name:12} {len(some):5} quotas, {len(reached):4} reached, {len(told):4} told, "
        f"false {share(len(false), len(told))}, told before {share(len(true), len(reached))}, "
        f"inside {share(inside, len(true))}, off by {median(errors) if errors else '-'} days, "
        f"{f'{median(early):.1f}' if early else '-'} days early\n"
    )


def share(part: int, whole: int) -> str:
    """Return a percentage."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", default=SEED)
    given = parser.parse_args()
    started = perf_counter()
    some = list(judged(given.seed))
    groups: Mapping[str, list[Judged]] = {f"{n} %": [one for one in some if one.percent == n] for n in PERCENTS}
    for name, group in (*groups.items(), ("all", some)):
        sys.stdout.write(line_of(name, group))
    sys.stdout.write(f"{perf_counter() - started:.0f} s\n")


if __name__ == "__main__":
    main()
