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
from metering.domain.contribution import MeterRule, passes
from metering.domain.events import ParsedEvent
from metering.domain.ledger import CounterKey
from metering.domain.property_values import text_of
from metering.domain.quantities import EXACT

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
        quarters = {at: _quarter_of(at) for at in {event.occurred_at for event in events}}
        self._quarters = [quarters[event.occurred_at] for event in events]
        self._groups: dict[tuple[str, ...], _Groups] = {}

    def groups(self, dimensions: tuple[str, ...]) -> "_Groups":
        """Return the groups of events that have one quarter and the same texts as dimensions."""
        known = self._groups.get(dimensions)
        if known is None:
            texts = [[_text_of(properties.get(name)) for properties in self.properties] for name in dimensions]
            known = self._groups[dimensions] = _Groups(list(zip(self._quarters, *texts, strict=True)))
        return known

    def measured(self, value_property: str) -> Iterable[tuple[Any, ...]]:
        """Return what a meter may measure of each event. The class tells true from 1, which are equal."""
        if not value_property:
            return zip(self._quantities, repeat(None), repeat(None))
        values = [properties.get(value_property) for properties in self.properties]
        return zip(self._quantities, [value.__class__ for value in values], values, strict=True)


class _Groups:
    """The distinct groups, and for each event the number of its own."""

    def __init__(self, of_events: Sequence[tuple[Any, ...]]) -> None:
        numbers: dict[tuple[Any, ...], int] = {}
        self.numbers = [numbers.setdefault(group, len(numbers)) for group in of_events]
        self.groups = list(numbers)


def _sums_of_rule(rule: MeterRule, columns: _Columns) -> list[UsageSum]:
    """Measure each distinct event once, and merge it as often as it comes."""
    name, aggregation, merge = rule.value_property, rule.aggregation, rule.aggregation.merge
    groups = columns.groups(rule.dimensions)
    pairs: Iterable[tuple[Any, Any]] = zip(groups.numbers, columns.measured(name), strict=True)
    if rule.filters:
        pairs = compress(pairs, [passes(rule.filters, properties) for properties in columns.properties])
    merged: dict[int, tuple[Decimal, int]] = {}
    for (number, (quantity, _, value)), count in Counter(pairs).items():
        amount = aggregation.measure(MeasuredEvent(quantity, {name: value}, name))
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
    if aggregation.is_additive:
        return EXACT.multiply(quantity, Decimal(count))
    return reduce(aggregation.merge, repeat(quantity, count))


def _text_of(value: PropertyValue) -> str | None:
    return value if value.__class__ is str else text_of(value)  # most are texts, and there are many


def _quarter_of(at: datetime) -> datetime:
    return at.replace(minute=at.minute - at.minute % QUARTER_MINUTES, second=0, microsecond=0)
