"""`python -m tests.bench.forecast [--log FILE]`: how wrong forecasts of a month's end are, beside the straight line.

The series are the demo's traffic from a seed that nothing was chosen by, hour by hour for half a year: whole, and as a
tenant would have it that joined ten or three days before. With `--log` an access log is resampled to hours, too; its
days are one period. Prints for each the mean and median absolute percentage error of both, and how many months end
within the interval, which should be 80 of 100. It needs no database, and writes nothing but the table.
"""

import argparse
import gzip
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import fmean, median

from config.workbench.demo.cast import TENANTS, joined_at_of
from config.workbench.demo.traffic import requests_within
from metering.domain.forecasting import DAYS_SEEN, Forecast, ForecastMethod, PastDay, PastDays, forecast_usage
from metering.domain.periods import (
    Span,
    YearMonth,
    days_between,
    local_day,
    month_span,
    start_of_day,
    start_of_hour,
)

SEED = "held out"
AS_OF = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
YOUNG = (None, 10, 3)
LOG_TIME = re.compile(r"\[(\d{2}/\w{3}/\d{4}:\d{2}):\d{2}:\d{2} ([+-]\d{4})\]")
Hours = Mapping[datetime, Decimal]


@dataclass(frozen=True)
class Tried:
    """One forecast beside the straight line and what came."""

    told: Forecast
    line: Decimal
    came: Decimal

    @property
    def errors(self) -> tuple[float, float]:
        """Return the absolute percentage errors of the straight line and of the forecast."""
        return tuple(float(abs(one - self.came) * 100 / self.came) for one in (self.line, self.told.quantity))  # type: ignore[return-value]

    @property
    def is_inside(self) -> bool | None:
        """Return whether the interval has what came; None without one."""
        if self.told.low is None or self.told.high is None:
            return None
        return self.told.low <= self.came <= self.told.high


def sum_within(hours: Hours, start: datetime, end: datetime) -> Decimal:
    """Return the quantity of a span; the hour in which it ends counts in part."""
    total, hour = Decimal(0), start_of_hour(start)
    while hour < end:
        part = min(end - hour, HOUR) // timedelta(microseconds=1)
        total += hours.get(hour, Decimal(0)) * part / 3_600_000_000
        hour += HOUR
    return total


def past_days_of(hours: Hours, zone: str, as_of: datetime) -> PastDays:
    """Return what `metering.selectors.past_days` reads, in plain Python."""
    today = local_day(as_of, zone)
    days = days_between(start_of_day(today - DAYS_SEEN * DAY, zone), start_of_day(today, zone), zone)
    seen = [hour for hour in sorted(hours) if start_of_hour(start_of_day(days[0], zone)) <= hour < as_of]
    if not seen:
        return PastDays()
    elapsed = as_of - start_of_hour(start_of_day(today, zone))
    starts = [start_of_hour(start_of_day(day, zone)) for day in [*days, today]]
    first = max(number for number, start in enumerate(starts) if start <= seen[0])
    whole = tuple(
        PastDay(
            day.weekday(),
            sum_within(hours, starts[number], starts[number + 1]),
            sum_within(hours, starts[number], min(starts[number] + elapsed, starts[number + 1])),
        )
        for number, day in enumerate(days)
        if number > first or number == first == 0
    )
    return PastDays(whole, seen[0])


def tried(hours: Hours, zone: str, span: Span, as_of: datetime) -> Tried | None:
    """Return a forecast by what was known at `as_of`; None if nothing came before or after."""
    known = {hour: quantity for hour, quantity in hours.items() if hour < as_of}
    so_far, came = sum_within(known, span.start, as_of), sum_within(hours, span.start, span.end)
    if not came or not so_far:
        return None
    weekdays = [day.weekday() for day in days_between(as_of, span.end, zone)]
    past = past_days_of(known, zone, as_of)
    told = forecast_usage(so_far, span=span, as_of=as_of, past=past, weekdays_ahead=weekdays)
    return Tried(told, _straight_line(so_far, span, as_of), came)


def _straight_line(quantity: Decimal, span: Span, as_of: datetime) -> Decimal:
    """Return what a quantity comes to at the end of the span at the pace so far."""
    microsecond = timedelta(microseconds=1)
    return quantity * ((span.end - span.start) // microsecond) / ((as_of - span.start) // microsecond)


def demo_series(seed: str, as_of: datetime) -> Iterator[tuple[str, str, Hours]]:
    """Yield requests and bytes by hour of each tenant of the demo, with its zone."""
    for tenant in TENANTS:
        begin = joined_at_of(tenant, as_of)
        requests: dict[datetime, Decimal] = defaultdict(Decimal)
        sizes: dict[datetime, Decimal] = defaultdict(Decimal)
        for request in requests_within(tenant, seed=seed, begin=begin, start=begin, end=as_of):
            hour = start_of_hour(request.occurred_at)
            requests[hour] += 1
            sizes[hour] += Decimal(request.properties["response_length"])
        yield f"{tenant.slug} requests", tenant.time_zone, requests
        yield f"{tenant.slug} bytes", tenant.time_zone, sizes


def tried_on_months(hours: Hours, zone: str, days_known: int | None) -> Iterator[Tried]:
    """Yield forecasts at noon of every third day of each whole month, for a tenant that joined so many days before."""
    first, last = local_day(min(hours), zone), local_day(max(hours), zone)
    month = YearMonth.of(first).plus(1)
    while (span := month_span(month, zone)).end <= start_of_day(last, zone):
        for day in range(2, 29, 3):
            as_of = start_of_day(date(month.year, month.month, day), zone) + DAY / 2
            since = span.start - DAYS_SEEN * DAY if days_known is None else as_of - days_known * DAY - HOUR * 5
            found = tried({hour: one for hour, one in hours.items() if hour >= since}, zone, span, as_of)
            if found is not None:
                yield found
        month = month.plus(1)


def log_hours(path: Path) -> Hours:
    """Return the requests of an access log by hour."""
    hours: dict[datetime, Decimal] = defaultdict(Decimal)
    with gzip.open(path, "rt", errors="replace") as lines:
        for line in lines:
            if stamp := LOG_TIME.search(line):
                at = datetime.strptime(" ".join(stamp.groups()), "%d/%b/%Y:%H %z")
                hours[start_of_hour(at)] += 1
    return hours


def tried_on_log(hours: Hours) -> Iterator[Tried]:
    """Yield forecasts at each hour of the log from its second day on: its whole days are one period."""
    first, last = local_day(min(hours), "UTC"), local_day(max(hours), "UTC")
    span = Span(start_of_day(first, "UTC"), start_of_day(last, "UTC"))
    as_of = span.start + DAY
    while as_of < span.end:
        found = tried(hours, "UTC", span, as_of)
        if found is not None:
            yield found
        as_of += HOUR


def line_of(name: str, some: list[Tried]) -> str:
    """Return a line of the table."""
    line, told = zip(*(one.errors for one in some), strict=True)
    inside = [one.is_inside for one in some if one.is_inside is not None and one.told.method is ForecastMethod.SEASONAL]
    coverage = f"{100 * sum(inside) / len(inside):5.1f} %" if inside else "      -"
    errors = f"{fmean(line):7.2f} {fmean(told):7.2f}   {median(line):7.2f} {median(told):7.2f}"
    return f"{name:34} {len(some):5} {errors}   {coverage}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--log", type=Path, help="an access log in the common format, gzip")
    parser.add_argument("--seed", default=SEED)
    given = parser.parse_args()
    heading = f"{'':34} {'number':>5}  MAPE line and forecast   median of both    inside"
    sys.stdout.write(f"{heading}\n")
    series = list(demo_series(given.seed, AS_OF))
    for days_known in YOUNG:
        everything: list[Tried] = []
        for name, zone, hours in series:
            some = list(tried_on_months(hours, zone, days_known))
            everything += some
            if days_known is None:
                sys.stdout.write(f"{line_of(name, some)}\n")
        known = "all of the demo" if days_known is None else f"all, {days_known} days after joining"
        sys.stdout.write(f"{line_of(known, everything)}\n")
    if given.log:
        sys.stdout.write(f"{line_of(given.log.name, list(tried_on_log(log_hours(given.log))))}\n")


if __name__ == "__main__":
    main()
