"""The quantities that one event adds to meters.

The ledger's statement computes the same in SQL (`metering.selectors.statements`); a property test compares the two.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from metering.domain.aggregations.description import MeasuredEvent
from metering.domain.conditions import passes
from metering.domain.events import ParsedEvent
from metering.domain.meter_rules import MeterRule
from metering.formulas.domain.property_values import text_of


class Contribution(NamedTuple):
    """The quantity that one event adds to one meter, with the values of its dimensions."""

    meter_id: int
    quantity: Decimal
    dimensions: dict[str, str | None]


def rules_counting_at(rules: Iterable[MeterRule], received_at: datetime) -> tuple[MeterRule, ...]:
    """Return the rules that count an event received then: a meter begins some seconds after its creation."""
    return tuple([rule for rule in rules if rule.counts_from <= received_at])


def contributions(event: ParsedEvent, rules: Iterable[MeterRule]) -> list[Contribution]:
    """Return the contributions of an event, one for each meter that it feeds. Rules are of mergeable kinds."""
    found = []
    properties = event.properties
    for rule in rules:
        if (
            rule.event_type == event.type
            and rule.begins_at <= event.occurred_at < rule.ends_at
            and passes(rule.filters, properties)
        ):
            measured = MeasuredEvent(event.quantity, properties, rule.value_property, formula=rule.formula)
            amount = rule.aggregation.measure(measured)
            if amount is not None:
                dimensions = {name: text_of(properties.get(name)) for name in rule.dimensions}
                found.append(Contribution(rule.id, amount, dimensions))
    return found
