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
        self._groups: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}

    def groups(self, dimensions: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Return each event's quarter and the texts of its dimensions."""
        known = self._groups.get(dimensions)
        if known is None:
            texts = [[text_of(properties.get(name)) for properties in self.properties] for name in dimensions]
            known = self._groups[dimensions] = list(zip(self._quarters, *texts, strict=True))
        return known

    def measured(self, value_property: str) -> list[tuple[Any, ...]]:
        """Return what a meter may measure of each event. The class tells true from 1, which are equal."""
        if not value_property:
            return [(quantity, None, None) for quantity in self._quantities]
        values = [properties.get(value_property) for properties in self.properties]
        return [(quantity, value.__class__, value) for quantity, value in zip(self._quantities, values, strict=True)]


def _sums_of_rule(rule: MeterRule, columns: _Columns) -> list[UsageSum]:
    """Measure each distinct event once, and merge it as often as it comes."""
    pairs: Iterable[tuple[Any, Any]]
    pairs = zip(columns.groups(rule.dimensions), columns.measured(rule.value_property), strict=True)
    if rule.filters:
        is_counted = [passes(rule.filters, properties) for properties in columns.properties]
        pairs = compress(pairs, is_counted)
    name, aggregation = rule.value_property, rule.aggregation
    merged: dict[tuple[Any, ...], tuple[Decimal, int]] = {}
    for (group, (quantity, _, value)), count in Counter(pairs).items():
        amount = _of_many(aggregation, aggregation.measure(MeasuredEvent(quantity, {name: value}, name)), count)
        held = merged.get(group)
        merged[group] = (amount, count) if held is None else (aggregation.merge(held[0], amount), held[1] + count)
    return [
        UsageSum(rule.id, group[0], dict(zip(rule.dimensions, group[1:], strict=True)), *sums)
        for group, sums in merged.items()
    ]


def _of_many(aggregation: Aggregation, quantity: Decimal, count: int) -> Decimal:
    """Return the quantity of so many equal events."""
    if aggregation.is_additive:
        return EXACT.multiply(quantity, Decimal(count))
    return reduce(aggregation.merge, repeat(quantity, count))


def _quarter_of(at: datetime) -> datetime:
    return at.replace(minute=at.minute - at.minute % QUARTER_MINUTES, second=0, microsecond=0)
