"""The usage that many events add, summed before they are stored: by meter, quarter of an hour and dimensions.

Since 2000, the days of every time zone begin at a quarter of an hour. So each quarter is in one hour and one day, and
PostgreSQL adds quarters to both, by its own time zones. `metering.domain.contribution` has the rule for one event.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from itertools import compress, repeat
from typing import Any, Final, NamedTuple

from metering.domain.aggregations.description import Aggregation, MeasuredEvent
from metering.domain.canonical import PropertyValue
from metering.domain.conditions import passes
from metering.domain.events import ParsedEvent
from metering.domain.ledger import CounterKey
from metering.domain.meter_rules import FIRST, LAST, MeterRule
from metering.domain.quantities import EXACT
from metering.formulas.domain.property_values import text_of

QUARTER_MINUTES: Final = 15
_ZERO: Final = Decimal(0)


class UsageSum(NamedTuple):
    """The quantity and the number of the events of one meter in a quarter of an hour, with these dimensions."""

    meter_id: int
    quarter_at: datetime
    dimensions: Mapping[str, str | None]
    quantity: Decimal
    events: int


def usage_sums(events: Iterable[ParsedEvent], rules: Iterable[MeterRule]) -> list[UsageSum]:
    """Return the sums of all contributions of the events. `rules` are of mergeable kinds."""
    by_type: dict[str, list[ParsedEvent]] = {}
    for event in events:
        by_type.setdefault(event.type, []).append(event)
    columns = {event_type: _Columns(some) for event_type, some in by_type.items()}
    return [
        one for rule in rules if rule.event_type in columns for one in _sums_of_rule(rule, columns[rule.event_type])
    ]


def amounts_of_counters(
    events: Sequence[ParsedEvent],
    rules: Sequence[MeterRule],
    sums: Iterable[UsageSum],
    counters: Sequence[CounterKey],
) -> dict[CounterKey, Decimal]:
    """Return what the events add to each counter. `sums` are those of all of them; a subject's are summed apart."""
    amounts = counter_sums(sums, [key for key in counters if key.subject is None])
    by_subject: dict[str, list[CounterKey]] = {}
    for key in counters:
        if key.subject is not None:
            by_subject.setdefault(key.subject, []).append(key)
    if by_subject:
        of_subject: dict[str | None, list[ParsedEvent]] = {}
        for event in events:
            of_subject.setdefault(event.subject, []).append(event)
        for subject, keys in by_subject.items():
            amounts |= counter_sums(usage_sums(of_subject.get(subject, ()), rules), keys)
    return amounts


def counter_sums(sums: Iterable[UsageSum], counters: Sequence[CounterKey]) -> dict[CounterKey, Decimal]:
    """Return what the sums add to each counter. A counter's period is of whole days, so of whole quarters."""
    amounts: dict[CounterKey, Decimal] = {}
    if not counters:
        return amounts
    for one in sums:
        for key in counters:
            if key.meter_id == one.meter_id and key.period_start <= one.quarter_at < key.period_end:
                amounts[key] = EXACT.add(amounts.get(key, _ZERO), one.quantity)
    return amounts


class _Columns:
    """Events of one type, by columns that several meters share."""

    def __init__(self, events: Sequence[ParsedEvent]) -> None:
        self.properties = [event.properties for event in events]
        self._quantities = [event.quantity for event in events]
        self._instants = [event.occurred_at for event in events]
        quarters = {at: _quarter_of(at) for at in set(self._instants)}
        self._quarters = [quarters[at] for at in self._instants]
        self._groups: dict[tuple[str, ...], _Groups] = {}

    def groups(self, dimensions: tuple[str, ...]) -> "_Groups":
        """Return the groups of events that have one quarter and the same texts as dimensions."""
        known = self._groups.get(dimensions)
        if known is None:
            texts = [[_text_of(properties.get(name)) for properties in self.properties] for name in dimensions]
            known = self._groups[dimensions] = _Groups(list(zip(self._quarters, *texts, strict=True)))
        return known

    def measured(self, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        """Return what a meter may measure of each event: its quantity, and the classes and values of its properties.

        The classes tell true from 1, which are equal.
        """
        if not names:
            return zip(self._quantities, repeat(()), repeat(()))
        columns = [[properties.get(name) for properties in self.properties] for name in names]
        classes = zip(*([value.__class__ for value in column] for column in columns), strict=True)
        return zip(self._quantities, classes, zip(*columns, strict=True), strict=True)

    def counted_by(self, rule: MeterRule) -> list[bool] | None:
        """Return whether each event is of this version of a meter and passes its filters. None: all are."""
        is_for_ever = rule.begins_at == FIRST and rule.ends_at == LAST
        if is_for_ever and not rule.filters:
            return None
        return [
            (is_for_ever or rule.begins_at <= at < rule.ends_at) and passes(rule.filters, properties)
            for at, properties in zip(self._instants, self.properties, strict=True)
        ]


class _Groups:
    """The distinct groups, and for each event the number of its own."""

    def __init__(self, of_events: Sequence[tuple[Any, ...]]) -> None:
        numbers: dict[tuple[Any, ...], int] = {}
        self.numbers = [numbers.setdefault(group, len(numbers)) for group in of_events]
        self.groups = list(numbers)


def _sums_of_rule(rule: MeterRule, columns: _Columns) -> list[UsageSum]:
    """Measure each distinct event once, and merge it as often as it comes."""
    name, aggregation, merge = rule.value_property, rule.aggregation, rule.aggregation.merge
    names = rule.formula.names if rule.formula is not None else (name,) if name else ()
    groups = columns.groups(rule.dimensions)
    pairs: Iterable[tuple[Any, Any]] = zip(groups.numbers, columns.measured(names), strict=True)
    counted = columns.counted_by(rule)
    if counted is not None:
        pairs = compress(pairs, counted)
    merged: dict[int, tuple[Decimal, int]] = {}
    for (number, (quantity, _, values)), count in Counter(pairs).items():
        properties = dict(zip(names, values, strict=True))
        amount = aggregation.measure(MeasuredEvent(quantity, properties, name, formula=rule.formula))
        if amount is None:
            continue
        if count > 1:
            amount = _of_many(aggregation, amount, count)
        held = merged.get(number)
        merged[number] = (amount, count) if held is None else (merge(held[0], amount), held[1] + count)
    return [
        UsageSum(
            rule.id,
            groups.groups[number][0],
            dict(zip(rule.dimensions, groups.groups[number][1:], strict=True)),
            quantity,
            count,
        )
        for number, (quantity, count) in merged.items()
    ]


def _of_many(aggregation: Aggregation, quantity: Decimal, count: int) -> Decimal:
    """Return the quantity of so many equal events."""
    if aggregation.is_summed:
        return EXACT.multiply(quantity, Decimal(count))
    return reduce(aggregation.merge, repeat(quantity, count))


def _text_of(value: PropertyValue) -> str | None:
    return value if value.__class__ is str else text_of(value)  # most are texts, and there are many


def _quarter_of(at: datetime) -> datetime:
    return at.replace(minute=at.minute - at.minute % QUARTER_MINUTES, second=0, microsecond=0)
