"""The description of an aggregation: how events become one quantity, and what may be done with that quantity.

Code that writes, reads, limits or bills usage uses this description, and knows no kind by name. The SQL is in
`metering.selectors.aggregation_sql`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from metering.domain.canonical import PropertyValue
from metering.domain.property_values import numeric_value


class MeasuredEvent(NamedTuple):
    """The parts of an event that a meter may measure: its quantity, and the property of that name (`""`: none)."""

    quantity: Decimal
    properties: Mapping[str, PropertyValue]
    value_property: str

    @property
    def value(self) -> Decimal:
        """Return the number in the property, or the event's quantity if the meter names none."""
        return numeric_value(self.properties.get(self.value_property)) if self.value_property else self.quantity


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One kind of meter.

    `measure` returns the quantity of one event; `merge` returns the quantity of two sets of events, neither of which is
    empty.

    `is_mergeable`: quantities of hours, days, keys and dimensions merge into that of the whole. The rollups keep such a
    kind, rebuild and reconciliation fill and compare them, and longer windows are read from shorter ones. The rollups
    keep nothing of other kinds, and every window of them is read from the events.

    `is_additive`: merging is adding. A void subtracts the quantity of its event (for another mergeable kind the
    event's buckets are computed again from the ledger), quotas may count it, a forecast may extend it in a straight
    line, and billing may report it to a payment provider hour by hour. Billing rates every kind by the quantity of a
    whole span.
    """

    code: str
    name: str
    takes_property: bool
    measure: Callable[[MeasuredEvent], Decimal]
    merge: Callable[[Decimal, Decimal], Decimal]
    is_mergeable: bool
    is_additive: bool

    def __post_init__(self) -> None:
        assert self.is_mergeable or not self.is_additive, "an additive kind is mergeable"

    def __str__(self) -> str:
        return self.code
