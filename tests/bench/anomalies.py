"""`python -m tests.bench.anomalies [--log FILE] [--seed SEED]`: how well anomalies are found, and how often wrongly.

The series are the demo's traffic from a seed that no number was chosen by: as it is, ten times as much, and that with
hours that vary by a factor of two for no reason. With `--log` the hours of an access log are drawn again, by the hour
of the day. In each a month is judged as it is, which gives the false alarms, and once for each kind of incident with
one incident planted at a random time. Prints recall and precision for each kind. It needs no database.
"""

import argparse
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from time import perf_counter

from config.workbench.demo.cast import TENANTS
from config.workbench.demo.traffic import requests_within
from metering.alerts.domain.anomalies import (
    HISTORY_DAYS,
    NOTHING,
    AnomalyRules,
    History,
    Use,
    judge_day,
    judge_hour,
    judge_key_day,
    judge_silence,
)
from metering.domain.periods import local_day, start_of_day, start_of_hour
from tests.bench.forecast import log_hours

SEED = "held out"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
AS_OF = datetime(2026, 11, 30, tzinfo=UTC)
JUDGED = 30
SEEN = JUDGED + HISTORY_DAYS + 1
LOG_NAMES = 12
Hours = dict[datetime, Use]


@dataclass(frozen=True)
class Series:
    """A meter's hours, and the days of each key, in a zone."""

    name: str
    zone: str
    hours: Hours
    keys: Mapping[str, dict[date, Use]]


@dataclass(frozen=True)
class Incident:
    """What was planted, and when an alarm counts as found."""

    start: datetime
    end: datetime
    key: str | None = None


@dataclass(frozen=True)
class Alarm:
    """What was found, with the key if it is of one."""

    start: datetime
    end: datetime
    key: str | None
    pattern: str


Planted = tuple[Series, Incident]
Plant = Callable[[Series, Random], Planted | None]


def alarms_of(series: Series, rules: AnomalyRules) -> list[Alarm]:
    """Return what is told of the last month of a series, each once for a day, as the service does."""
    told: dict[tuple[str | None, date], Alarm] = {}
    began = min(series.hours)
    spoken = sorted(hour for hour, use in series.hours.items() if use.events)
    history = History(series.hours, series.zone, began)
    hour = AS_OF - JUDGED * DAY
    steady: dict[str, date] = {}
    while hour < AS_OF:
        found = [judge_hour(history, hour, rules=rules)]
        last = spoken[bisect_left(spoken, hour) - 1]
        if hour - last > rules.silent_hours_min * HOUR:
            known = {one: series.hours[one] for one in spoken[: bisect_left(spoken, hour)]}
            found.append(judge_silence(replace(history, hours=known), hour, rules=rules))
        today = local_day(hour, series.zone)
        if local_day(hour - HOUR, series.zone) != today:
            found.append(judge_day(history, today - DAY, rules=rules))
        for anomaly in (one for one in found if one):
            on = local_day(anomaly.window_start, series.zone)
            if anomaly.pattern in {"rise", "drop"}:
                if (before := steady.get(anomaly.pattern)) and (on - before).days < 7:
                    continue
                steady[anomaly.pattern] = on
            told.setdefault((None, on), Alarm(anomaly.window_start, anomaly.window_end, None, anomaly.pattern))
        hour += HOUR
    for name, days in series.keys.items():
        for number in range(JUDGED):
            day = local_day(AS_OF - (number + 1) * DAY, series.zone)
            usual = sorted(history.of_day(day - n * DAY).quantity for n in range(1, 29))[14]
            one = judge_key_day(days, day, zone=series.zone, usual_day=usual, rules=rules)
            if one:
                told[name, day] = Alarm(one.window_start, one.window_end, name, one.pattern)
    return list(told.values())


def scaled(use: Use, factor: float) -> Use:
    """Return a usage some times as large."""
    return Use((use.quantity * Decimal(str(factor))).quantize(Decimal(1)), round(use.events * factor))


def busy_hour(series: Series, random: Random) -> datetime | None:
    """Return a random hour of the month in which there is usage as usual; None if there is none."""
    since = AS_OF - (JUDGED - 1) * DAY
    hours = [hour for hour, use in series.hours.items() if since <= hour < AS_OF - 2 * DAY and use.events]
    if not hours:
        return None
    middle = sorted(series.hours[hour].events for hour in hours)[len(hours) // 2]
    return random.choice(sorted(hour for hour in hours if series.hours[hour].events >= middle))


def with_hours(series: Series, start: datetime, end: datetime, change: Callable[[Use, datetime], Use]) -> Series:
    """Return the series with its hours in a span changed."""
    changed = dict(series.hours)
    hour = start
    while hour < end:
        changed[hour] = change(changed.get(hour, NOTHING), hour)
        hour += HOUR
    return replace(series, hours={hour: use for hour, use in changed.items() if use.events})


def spike(series: Series, random: Random) -> Planted | None:
    """Plant an hour of eight times its usage."""
    hour = busy_hour(series, random)
    if hour is None:
        return None
    return with_hours(series, hour, hour + HOUR, lambda use, _: scaled(use, 8)), Incident(hour, hour + HOUR)


def night_burst(series: Series, random: Random) -> Planted | None:
    """Plant three hours after midnight, each of half a usual day."""
    start = start_of_hour(AS_OF - random.randrange(3, JUDGED - 1) * DAY) + HOUR
    start = start_of_hour(start_of_day(local_day(start, series.zone), series.zone)) + 2 * HOUR
    history = History(series.hours, series.zone, min(series.hours))
    half = scaled(history.within(start - 7 * DAY, start), 0.5 / 7)
    return with_hours(
        series, start, start + 3 * HOUR, lambda use, _: use if half.events < use.events else half
    ), Incident(start, start + 3 * HOUR)


def drop(series: Series, random: Random) -> Planted | None:
    """Plant a working day of a tenth of its usage."""
    days = [local_day(AS_OF - n * DAY, series.zone) for n in range(3, JUDGED - 1)]
    day = random.choice([one for one in days if one.weekday() < 5])
    start, end = (start_of_hour(start_of_day(one, series.zone)) for one in (day, day + DAY))
    return with_hours(series, start, end, lambda use, _: scaled(use, 0.1)), Incident(start, end)


def silence(series: Series, random: Random) -> Planted | None:
    """Plant a day without any event, from a busy hour on."""
    hour = busy_hour(series, random)
    if hour is None:
        return None
    return with_hours(series, hour, hour + DAY, lambda _, __: NOTHING), Incident(hour, hour + DAY)


def slow_leak(series: Series, random: Random) -> Planted | None:
    """Plant growth of 7 percent a day for three weeks."""
    start = AS_OF - random.randrange(22, JUDGED - 1) * DAY
    grown = with_hours(series, start, AS_OF, lambda use, hour: scaled(use, 1.07 ** ((hour - start) / DAY)))
    return grown, Incident(start, AS_OF)


def stolen_key(series: Series, random: Random) -> Planted | None:
    """Plant a day on which one key does ten times its usual work."""
    if not series.keys:
        return None
    name = random.choice(sorted(series.keys))
    day = local_day(AS_OF - random.randrange(3, JUDGED - 1) * DAY, series.zone)
    days = series.keys[name] | {day: scaled(series.keys[name].get(day, NOTHING), 10)}
    start = start_of_day(day, series.zone)
    return replace(series, keys={**series.keys, name: days}), Incident(start, start + DAY, name)


PLANTS: Mapping[str, Plant] = {
    "spike": spike,
    "burst at night": night_burst,
    "drop": drop,
    "silence": silence,
    "slow leak": slow_leak,
    "stolen key": stolen_key,
}


def demo_series(seed: str, times: int, noise: float) -> Iterator[Series]:
    """Yield requests and bytes of each tenant of the demo, without its own incidents."""
    for planned in TENANTS:
        tenant = replace(planned, spike_days=(), hourly_tenths=planned.hourly_tenths * times)
        random = Random(f"{seed} {tenant.slug}")
        counts: dict[str, dict[datetime, list[int]]] = {"requests": defaultdict(lambda: [0, 0])}
        counts["bytes"] = defaultdict(lambda: [0, 0])
        keys: dict[str, dict[str, dict[date, Use]]] = {"requests": {}, "bytes": {}}
        begin = AS_OF - timedelta(days=182)
        factors: dict[datetime, float] = {}
        for request in requests_within(tenant, seed=seed, begin=begin, start=AS_OF - SEEN * DAY, end=AS_OF):
            hour = start_of_hour(request.occurred_at)
            factor = factors.setdefault(hour, random.lognormvariate(0, noise) if noise else 1.0)
            repeats = int(factor) + (random.random() < factor % 1)
            day = local_day(request.occurred_at, tenant.time_zone)
            for meter, size in (("requests", 1), ("bytes", int(request.properties["response_length"]))):
                counts[meter][hour][0] += size * repeats
                counts[meter][hour][1] += repeats
                of_key = keys[meter].setdefault(request.key_name, {})
                before = of_key.get(day, NOTHING)
                of_key[day] = Use(before.quantity + size * repeats, before.events + repeats)
        for meter, hours in counts.items():
            uses = {hour: Use(Decimal(sums[0]), sums[1]) for hour, sums in hours.items() if sums[1]}
            yield Series(f"{tenant.slug} {meter}", tenant.time_zone, uses, keys[meter] if meter == "requests" else {})


def log_series(path: Path, seed: str) -> Iterator[Series]:
    """Yield series whose hours are drawn from the same hour of the day of an access log."""
    by_hour: dict[int, list[int]] = defaultdict(list)
    for at, number in log_hours(path).items():
        by_hour[at.hour].append(int(number))
    for name in range(LOG_NAMES):
        random = Random(f"{seed} {name}")
        hours = {}
        for n in range(SEEN * 24):
            hour = AS_OF - SEEN * DAY + n * HOUR
            number_of_hour = random.choice(by_hour[hour.hour])
            hours[hour] = Use(Decimal(number_of_hour), number_of_hour)
        yield Series(f"log {name}", "UTC", hours, {})


def is_found(alarm: Alarm, incident: Incident) -> bool:
    """Return whether an alarm is of the incident: in its time, or of its day."""
    return alarm.key == incident.key and alarm.start < incident.end and incident.start < alarm.end


def line_of(name: str, some: Sequence[Series], seed: str, rules: AnomalyRules, repeats: int) -> Iterator[str]:
    """Yield the lines of one group of series."""
    started = perf_counter()
    clean = [alarms_of(series, rules) for series in some]
    tenants = len({series.name.split()[0] + (series.name if series.name.startswith("log") else "") for series in some})
    false = sum(len(alarms) for alarms in clean)
    patterns: dict[str, int] = defaultdict(int)
    for alarm in (one for alarms in clean for one in alarms):
        patterns[f"{alarm.pattern}{' of a key' if alarm.key else ''}"] += 1
    rate = f"{false / tenants:.2f} false alarms a tenant and month"
    yield f"{name}: {len(some)} series of {tenants} tenants, {rate} {dict(patterns)}\n"
    for kind, plant in PLANTS.items():
        found = tried = wrong = 0
        for series in some:
            for repeat in range(repeats):
                planted = plant(series, Random(f"{seed} {kind} {series.name} {repeat}"))
                if planted is None:
                    continue
                tried += 1
                changed, incident = planted
                alarms = alarms_of(changed, rules)
                found += any(is_found(alarm, incident) for alarm in alarms)
                wrong += sum(not is_found(alarm, incident) for alarm in alarms if alarm.key == incident.key)
        if tried:
            precision = f"{100 * found / (found + wrong):5.1f} %" if found + wrong else "    -"
            yield f"  {kind:16} {tried:4} planted, recall {100 * found / tried:5.1f} %, precision {precision}\n"
    yield f"  {perf_counter() - started:.0f} s\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--log", type=Path, help="an access log in the common format, gzip")
    parser.add_argument("--seed", default=SEED)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    rules = AnomalyRules()
    groups: list[tuple[str, list[Series]]] = [
        ("demo", list(demo_series(given.seed, 1, 0))),
        ("demo, ten times as much", list(demo_series(given.seed, 10, 0))),
        ("the same with uneven hours", list(demo_series(given.seed, 10, 0.7))),
    ]
    if given.log:
        groups.append(("access log, drawn again", list(log_series(given.log, given.seed))))
    for name, some in groups:
        for line in line_of(name, some, given.seed, rules, given.repeats):
            sys.stdout.write(line)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
