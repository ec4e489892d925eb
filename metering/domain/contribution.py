"""What one event adds to which meters, by COUNT and SUM.

The ledger's statement says the same in SQL. So values are compared and grouped by the text
that PostgreSQL's `->>` gives, and a numeric text is what one regular expression, the same on
both sides, lets through.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from metering.domain.canonical import PropertyValue, decimal_text

# In SQL: `properties->>name ~ '^[0-9]{1,20}(\.[0-9]{1,9})?$'`.
NUMERIC_TEXT_PATTERN: Final = r"[0-9]{1,20}(\.[0-9]{1,9})?"
_NUMERIC_TEXT: Final = re.compile(NUMERIC_TEXT_PATTERN, re.ASCII)
_ONE: Final = Decimal(1)
_NOTHING: Final = Decimal(0)


class Aggregation(StrEnum):
    """How a meter turns events into a quantity."""

    COUNT = "count"
    SUM = "sum"


class MeterRule(NamedTuple):
    """What a meter measures. SUM without a `value_property` sums the events' own quantity."""

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
            quantity=_measured(rule, quantity, properties),
            dimensions={name: text_of(properties.get(name)) for name in rule.dimensions},
        )
        for rule in rules
        if rule.event_type == event_type and passes(rule.filters, properties)
    ]


def passes(filters: Mapping[str, tuple[str, ...]], properties: Mapping[str, PropertyValue]) -> bool:
    """Tell whether every filtered property has one of its texts; an absent one has none."""
    return all(text_of(properties.get(name)) in texts for name, texts in filters.items())


def text_of(value: PropertyValue) -> str | None:
    """Return a property as PostgreSQL's `->>` does: null and absent alike are None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal_text(value)


def numeric_value(value: PropertyValue) -> Decimal:
    """Return what SUM adds for a property: its number, or 0 where it is none. Usage falls by a void only, so below 0 is 0."""
    if isinstance(value, str):
        return Decimal(value) if _NUMERIC_TEXT.fullmatch(value) else _NOTHING
    if value is None or isinstance(value, bool):
        return _NOTHING
    return max(Decimal(value), _NOTHING)


def _measured(rule: MeterRule, quantity: Decimal, properties: Mapping[str, PropertyValue]) -> Decimal:
    if rule.aggregation is Aggregation.COUNT:
        return _ONE
    if not rule.value_property:
        return quantity
    return numeric_value(properties.get(rule.value_property))
