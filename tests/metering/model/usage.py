"""What each kind of meter says of a list of events, in the plainest Python: no rollup, no merging, no SQL.

It shares nothing with the program but the names of the kinds and the rule's fields.
"""

import re
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from zoneinfo import ZoneInfo

from metering.domain.conditions import Filter
from metering.domain.meter_rules import MeterRule
from metering.domain.windows import Window

Value = str | int | Decimal | bool | None
PERCENT = {"p50": "50", "p75": "75", "p90": "90", "p95": "95", "p99": "99", "p999": "99.9"}


@dataclass(frozen=True)
class Reported:
    """One event of the ledger that is not voided."""

    at: datetime
    type: str
    quantity: Decimal
    subject: str | None
    api_key: str | None
    properties: Mapping[str, Value]


@dataclass(frozen=True)
class Asked:
    """A question about one meter."""

    meter: MeterRule
    start: datetime
    end: datetime
    window: Window | None = None
    zone: str = "UTC"
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, Sequence[str]] | None = None
    until: datetime | None = None
    kept: Sequence[tuple[str | None, ...]] | None = None


Found = dict[tuple[object, ...], tuple[Decimal, int]]
# The versions of meters that have several, by the meter's id, the first one first.
VERSIONS: dict[int, list[MeterRule]] = {}
# What each formula comes to.
FORMULAS: dict[str, Callable[[Reported], Fraction | None]] = {
    "size * 2 + (region == 'é' ? 0.5 : quantity)": lambda one: (
        None
        if (size := number_in(one.properties.get("size"))) is None
        else Fraction(size) * 2 + (Fraction(1, 2) if one.properties.get("region") == "é" else Fraction(one.quantity))
    ),
    "has(size) ? ceil(quantity / 3) : 7 / 9": lambda one: (
        Fraction(ceil(Fraction(one.quantity) / 3)) if one.properties.get("size") is not None else Fraction(7, 9)
    ),
}


def version_at(meter: MeterRule, at: datetime) -> MeterRule:
    """Return the version of a meter that counts an event of that time."""
    return next((one for one in reversed(VERSIONS.get(meter.id, [])) if one.begins_at <= at), meter)


def expected(events: Iterable[Reported], asked: Asked) -> Found:
    """Return quantity and number of events by window and group."""
    if asked.meter.aggregation.code == "time_weighted":
        return expected_of_levels(events, asked)
    buckets: dict[tuple[object, ...], list[Reported]] = defaultdict(list)
    for one in events:
        if asked.start <= one.at < asked.end and is_counted(one, asked.meter):
            group = group_of(one, asked)
            if group is not None:
                buckets[(window_start(one.at, asked), *group)].append(one)
    return {place: (quantity(some, asked.meter), len(some)) for place, some in buckets.items()}


def group_of(one: Reported, asked: Asked) -> tuple[str | None, ...] | None:
    """Return the values of an event by which it is grouped; None if a filter of the question leaves it out."""
    own = dict.fromkeys(name for version in VERSIONS.get(asked.meter.id, []) for name in version.dimensions)
    own |= {name: text(one.properties.get(name)) for name in version_at(asked.meter, one.at).dimensions}
    own |= {"subject": one.subject, "api_key": one.api_key}
    if any(own[name] not in accepted for name, accepted in (asked.filters or {}).items()):
        return None
    values = tuple(own[name] for name in asked.group_by)
    if asked.kept is None:
        return values
    return ("kept", *values) if values in asked.kept else ("other",) + (None,) * len(values)


def expected_of_levels(events: Iterable[Reported], asked: Asked) -> Found:
    """Return level by hours, and the number of events, by window and group."""
    meter = asked.meter
    series: dict[tuple[object, ...], list[Reported]] = defaultdict(list)
    for one in events:
        if one.at < asked.end and is_counted(one, meter):
            series[(one.subject, *(text(one.properties.get(name)) for name in meter.dimensions))].append(one)
    seconds: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    counts: dict[tuple[object, ...], int] = defaultdict(int)
    for some in series.values():
        some.sort(key=lambda one: (one.at, number_of(one, meter) or 0))
        for one, following in zip(some, [*some[1:], None], strict=True):
            group = group_of(one, asked)
            if group is None:
                continue
            if one.at >= asked.start:
                counts[(window_start(one.at, asked), *group)] += 1
            ends = [
                one.at + timedelta(days=35),
                asked.end,
                asked.until or asked.end,
                following.at if following else asked.end,
            ]
            at = max(one.at, asked.start)
            while at < min(ends):
                part_ends = min(window_end(at, asked), *ends)
                lasted = Fraction((part_ends - at) // timedelta(microseconds=1), 10**6)
                seconds[(window_start(at, asked), *group)] += lasted * Fraction(number_of(one, meter) or 0)
                at = part_ends
    places = {place for place, value in seconds.items() if value} | set(counts)
    return {place: (exact(half_up(seconds[place] / 3600)), counts[place]) for place in places}


def window_end(at: datetime, asked: Asked) -> datetime:
    """Return when the window of an instant ends."""
    if asked.window is None:
        return asked.end
    start = window_start(at, asked)
    if asked.window is Window.HOUR:
        return start + timedelta(hours=1)
    day = start.astimezone(ZoneInfo(asked.zone)).replace(tzinfo=None)
    days = 1 if asked.window is Window.DAY else monthrange(day.year, day.month)[1]
    return (day + timedelta(days=days)).replace(tzinfo=ZoneInfo(asked.zone)).astimezone(UTC)


def window_start(at: datetime, asked: Asked) -> datetime:
    if asked.window is None:
        return asked.start
    if asked.window is Window.HOUR:
        return at.replace(minute=0, second=0, microsecond=0)
    local = at.astimezone(ZoneInfo(asked.zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (local if asked.window is Window.DAY else local.replace(day=1)).astimezone(UTC)


def is_counted(one: Reported, meter: MeterRule) -> bool:
    """Return whether the meter counts the event at all."""
    meter = version_at(meter, one.at)
    if one.type != meter.event_type:
        return False
    if not all(passes(one.properties.get(name), wanted) for name, wanted in meter.filters.items()):
        return False
    kind = meter.aggregation.code
    if kind in {"count", "sum"}:
        return True
    return (text_of(one, meter) if kind == "unique" else number_of(one, meter)) is not None


def passes(value: Value, wanted: Filter) -> bool:
    """Return whether a property is as a filter says."""
    if isinstance(wanted, tuple):
        return text(value) in wanted
    bounds = [bound for bound in (wanted.gt, wanted.gte, wanted.lt, wanted.lte) if bound is not None]
    number = number_in(value)
    return (
        (wanted.any_of is None or text(value) in wanted.any_of)
        and (wanted.none_of is None or text(value) not in wanted.none_of)
        and wanted.exists in {None, text(value) is not None}
        and (not bounds or number is not None)
        and (wanted.gt is None or Fraction(number or 0) > wanted.gt)
        and (wanted.gte is None or Fraction(number or 0) >= wanted.gte)
        and (wanted.lt is None or Fraction(number or 0) < wanted.lt)
        and (wanted.lte is None or Fraction(number or 0) <= wanted.lte)
    )


def quantity(events: Sequence[Reported], meter: MeterRule) -> Decimal:
    """Return the quantity of the events that a meter counts, of which there is at least one."""
    kind = meter.aggregation.code
    numbers = [Fraction(number_of(one, meter) or 0) for one in events]
    simple: dict[str, Callable[[], Fraction]] = {
        "count": lambda: sum(numbers, Fraction()),
        "sum": lambda: sum(numbers, Fraction()),
        "max": lambda: max(numbers),
        "min": lambda: min(numbers),
        "avg": lambda: half_up(sum(numbers, Fraction()) / len(numbers)),
        "latest": lambda: max((one.at, number) for one, number in zip(events, numbers, strict=True))[1],
        "unique": lambda: Fraction(len({text_of(one, meter) for one in events})),
    }
    if kind in PERCENT:
        return exact(sorted(numbers)[ceil(len(numbers) * Fraction(PERCENT[kind]) / 100) - 1])
    return exact(simple[kind]())


def number_of(one: Reported, meter: MeterRule) -> Decimal | None:
    meter = version_at(meter, one.at)
    if meter.aggregation.code == "count":
        return Decimal(1)
    if meter.formula is not None:
        value = FORMULAS[meter.formula.text](one)
        return None if value is None else max(exact(half_up(value)), Decimal(0))
    if not meter.value_property:
        return one.quantity
    number = number_in(one.properties.get(meter.value_property))
    return None if number is None else max(number, Decimal(0))


def number_in(value: Value) -> Decimal | None:
    if isinstance(value, str):
        return Decimal(value) if re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,9})?", value, re.ASCII) else None
    return None if value is None or isinstance(value, bool) else Decimal(value)


def text_of(one: Reported, meter: MeterRule) -> str | None:
    meter = version_at(meter, one.at)
    return text(one.properties.get(meter.value_property)) if meter.value_property else one.subject


def text(value: Value) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else f"{value:f}" if isinstance(value, Decimal) else str(value)


def half_up(value: Fraction) -> Fraction:
    return Fraction(floor(value * 10**9 + Fraction(1, 2)), 10**9)


def exact(value: Fraction) -> Decimal:
    scaled = value * 10**30
    assert scaled.denominator == 1, "a quantity has at most 30 digits after the point"
    return Decimal(f"{scaled.numerator}e-30")
