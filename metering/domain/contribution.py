"""What one event adds to which meters.

The ledger's statement says the same in SQL (`metering.selectors.statements`); a property test compares the two.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from metering.domain.aggregations.description import Aggregation, MeasuredEvent
from metering.domain.canonical import PropertyValue
from metering.domain.property_values import text_of


class MeterRule(NamedTuple):
    """What a meter measures. Without a `value_property` it is the events' own quantity."""

    id: int
    code: str
    event_type: str
    aggregation: Aggregation
    value_property: str = ""
    dimensions: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = {}
    counts_from: datetime = datetime.min.replace(tzinfo=UTC)


class Contribution(NamedTuple):
    """What one event adds to one meter, and under which values of its dimensions."""

    meter_id: int
    quantity: Decimal
    dimensions: dict[str, str | None]


def rules_counting_at(rules: Iterable[MeterRule], received_at: datetime) -> tuple[MeterRule, ...]:
    """Return the rules that count an event received then: a meter begins some seconds after it was made."""
    return tuple(rule for rule in rules if rule.counts_from <= received_at)


def contributions(
    event_type: str,
    quantity: Decimal,
    properties: Mapping[str, PropertyValue],
    rules: Iterable[MeterRule],
) -> list[Contribution]:
    """Return what an event adds, one entry for each meter that it feeds."""
    return [
        Contribution(
            meter_id=rule.id,
            quantity=rule.aggregation.measure(MeasuredEvent(quantity, properties, rule.value_property)),
            dimensions={name: text_of(properties.get(name)) for name in rule.dimensions},
        )
        for rule in rules
        if rule.event_type == event_type and passes(rule.filters, properties)
    ]


def passes(filters: Mapping[str, tuple[str, ...]], properties: Mapping[str, PropertyValue]) -> bool:
    """Tell whether every filtered property has one of its texts; an absent one has none."""
    return all(text_of(properties.get(name)) in texts for name, texts in filters.items())
