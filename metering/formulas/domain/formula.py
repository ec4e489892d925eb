"""A formula: the value that an event brings to a meter, computed of its properties, exact and within bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from metering.formulas.domain.nodes import (
    Exists,
    Measured,
    NumberNode,
    NumberOf,
    TextIsOneOf,
    TruthOf,
    all_parts,
    cause_of_failure,
    rounded,
)
from metering.formulas.domain.property_values import PropertyValue
from metering.formulas.domain.syntax import read_formula

RESULT_DECIMAL_PLACES: Final = 9
RESULT_MAGNITUDE_MAX: Final = 10**20
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that was read. `names` are the properties that it uses."""

    text: str
    root: NumberNode
    names: tuple[str, ...]

    def value(self, quantity: Decimal, properties: Mapping[str, PropertyValue]) -> Decimal | None:
        """Return the value for an event, rounded half-up to 9 digits after the point; a value below 0 is 0.

        None if it cannot be computed: a property has no number, it divides by 0, or it comes to 10^20 or more.
        """
        found = self.root.value(Measured(quantity, properties))
        if found is None:
            return None
        value = rounded(found, RESULT_DECIMAL_PLACES)
        if value >= RESULT_MAGNITUDE_MAX:
            return None
        return max(value, _NOTHING)

    def failure(self, quantity: Decimal, properties: Mapping[str, PropertyValue]) -> "FormulaFailure | None":
        """Return why there is no value for an event, or None if there is one."""
        if self.value(quantity, properties) is not None:
            return None
        cause = cause_of_failure(self.root, Measured(quantity, properties))
        if isinstance(cause, NumberOf):
            return FormulaFailure(f"the property {cause.name} is no number", cause.name)
        if isinstance(cause, TruthOf):
            return FormulaFailure(f"the property {cause.name} is neither true nor false", cause.name)
        if cause is not None:
            return FormulaFailure("it divides by 0")
        return FormulaFailure("the result has more than 20 digits before the point")


@dataclass(frozen=True, slots=True)
class FormulaFailure:
    """Why a formula has no value for an event, and the property that is the cause, if one is."""

    reason: str
    name: str | None = None


def formula_of(text: str) -> Formula | None:
    """Return the formula of a text; None if it is empty. Raises `FormulaError`."""
    if not text:
        return None
    root = read_formula(text)
    names = dict.fromkeys(
        part.name for part in all_parts(root) if isinstance(part, NumberOf | TruthOf | TextIsOneOf | Exists)
    )
    return Formula(text, root, tuple(names))
