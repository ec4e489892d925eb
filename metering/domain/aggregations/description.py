"""The description of an aggregation: how events become one quantity, and what may be done with that quantity.

Code that writes, reads, limits or bills usage uses this description, and knows no kind by name. The SQL is in
`metering.selectors.aggregation_sql`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from metering.domain.canonical import PropertyValue
from metering.formulas.domain.formula import Formula
from metering.formulas.domain.property_values import number_in, text_of

_NOTHING: Final = Decimal(0)


class MeasuredEvent(NamedTuple):
    """The parts of an event that a meter may measure, by a formula, or by the name of a property (`""`: neither)."""

    quantity: Decimal
    properties: Mapping[str, PropertyValue]
    value_property: str
    subject: str | None = None
    formula: Formula | None = None

    @property
    def value(self) -> Decimal:
        """Return `number`, or 0 if there is none."""
        return self.number or _NOTHING

    @property
    def number(self) -> Decimal | None:
        """Return what the formula comes to, the number in the property, or the event's quantity if neither is named."""
        if self.formula is not None:
            return self.formula.value(self.quantity, self.properties)
        return number_in(self.properties.get(self.value_property)) if self.value_property else self.quantity

    @property
    def text(self) -> str | None:
        """Return the property as text, or the event's subject if the meter names none."""
        return text_of(self.properties.get(self.value_property)) if self.value_property else self.subject


def read_from_events(code: str, name: str, **facts: Any) -> "Aggregation":
    """Return a kind that measures numbers and that the rollups do not keep: every window is read from the events."""
    return Aggregation(
        code=code,
        name=name,
        takes_property=True,
        measure=lambda event: event.number,
        merge=never_merged,
        is_mergeable=False,
        is_summed=False,
        is_additive=False,
        needs_value=True,
        **facts,
    )


def never_merged(one: Decimal, other: Decimal) -> Decimal:
    """Raise `AssertionError`: quantities of this kind do not merge."""
    raise AssertionError(f"{one} and {other} do not merge: such a quantity is read from the events")


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One kind of meter.

    `measure` returns what one event brings, or None if the meter does not count the event: it has nothing to measure.
    `merge` returns what two sets of events bring, neither of which is empty. `quantity_of` returns the quantity of what
    so many events brought; it is the same for most kinds, and the quotient for an average.

    `is_mergeable`: what hours, days, keys and dimensions bring merges into that of the whole. The rollups keep such a
    kind, rebuild and reconciliation fill and compare them, and longer windows are read from shorter ones. The rollups
    keep nothing of other kinds, and every window of them is read from the events.

    `is_summed`: what events bring is added up, so a void subtracts it. For another mergeable kind the event's buckets
    are computed again from the ledger.

    `is_additive`: the quantities themselves add up. Quotas may count such a kind, and billing may report it to a
    payment provider hour by hour.

    `lasts`: an event reports a level, which lasts until the next event of its series, and for so long at most. A series
    is a subject with one combination of the meter's dimensions. Such a quantity is level times time. Its windows and
    groups add up, though a window may have a quantity without an event. None: an event counts at its moment.
    """

    code: str
    name: str
    takes_property: bool
    measure: Callable[[MeasuredEvent], Decimal | None]
    merge: Callable[[Decimal, Decimal], Decimal]
    is_mergeable: bool
    is_summed: bool
    is_additive: bool
    needs_value: bool = False
    lasts: timedelta | None = None
    quotient: Callable[[Decimal, int], Decimal] | None = None
    measures_text: bool = False

    def __post_init__(self) -> None:
        assert self.is_mergeable or not self.is_summed, "a summed kind is mergeable"
        assert self.is_summed or not self.is_additive, "an additive kind is summed"

    def __str__(self) -> str:
        return self.code

    def quantity_of(self, held: Decimal, events: int) -> Decimal:
        """Return the quantity of what so many events brought."""
        return held if self.quotient is None else self.quotient(held, events)

    @property
    def takes_formula(self) -> bool:
        """Return whether a meter may measure what a formula comes to: the kinds that measure numbers."""
        return self.takes_property and not self.measures_text

    def continues(self, other: "Aggregation") -> bool:
        """Return whether a meter of another kind may become one of this kind: what both count comes to one quantity."""
        return self == other or (self.is_additive and other.is_additive)

    @property
    def is_divisible(self) -> bool:
        """Return whether the quantities of the parts of a period come to that of the period.

        A forecast may extend such a kind in a straight line, and a price may use it: a change of plan divides a period.
        """
        return self.is_additive or self.lasts is not None

    @property
    def reaches_back(self) -> timedelta:
        """Return how long before a window an event may have occurred that counts in it."""
        return self.lasts or timedelta()
