"""The quantities that one event adds to meters.

The ledger's statement computes the same in SQL (`metering.selectors.statements`); a property test compares the two.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from metering.domain.aggregations.description import Aggregation, MeasuredEvent
from metering.domain.canonical import PropertyValue
from metering.domain.property_values import text_of


class MeterRule(NamedTuple):
    """The rule of a meter. Without a `value_property` it measures the events' quantity."""

    id: int
    code: str
    event_type: str
    aggregation: Aggregation
    value_property: str = ""
    dimensions: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = {}
    counts_from: datetime = datetime.min.replace(tzinfo=UTC)


class Contribution(NamedTuple):
    """The quantity that one event adds to one meter, with the values of its dimensions."""

    meter_id: int
    quantity: Decimal
    dimensions: dict[str, str | None]


def rules_counting_at(rules: Iterable[MeterRule], received_at: datetime) -> tuple[MeterRule, ...]:
    """Return the rules that count an event received then: a meter begins some seconds after its creation."""
    return tuple(rule for rule in rules if rule.counts_from <= received_at)


def contributions(
    event_type: str,
    quantity: Decimal,
    properties: Mapping[str, PropertyValue],
    rules: Iterable[MeterRule],
) -> list[Contribution]:
    """Return the contributions of an event, one for each meter that it feeds."""
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
    """Return whether every filtered property has one of its accepted texts; an absent one has none."""
    return all(text_of(properties.get(name)) in texts for name, texts in filters.items())
