"""The parts of a formula, each of which computes its value for one event.

A value is a `Decimal`, or a boolean of a condition; None means that it cannot be computed. Numbers are exact: nothing
is rounded but by `round`, and quotients, which are cut after 30 digits. `metering.selectors.formula_sql` writes the
same in SQL, and a property test compares the two.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, Inexact
from enum import StrEnum
from typing import Final, NamedTuple

from metering.formulas.domain.property_values import PropertyValue, signed_number_in, text_of

QUOTIENT_DECIMAL_PLACES: Final = 30
# More digits than the longest formula can bring; a number takes only those that it has.
_WIDE: Final = Context(prec=40_000, traps=[Inexact])
_ROUNDING: Final = Context(prec=40_000)
ROUNDED_DECIMAL_PLACES_MAX: Final = 9
_STEPS: Final = [Decimal(1).scaleb(-places) for places in range(ROUNDED_DECIMAL_PLACES_MAX + 1)]
_UP: Final = Decimal(1).scaleb(QUOTIENT_DECIMAL_PLACES)
_DOWN: Final = Decimal(1).scaleb(-QUOTIENT_DECIMAL_PLACES)


class Measured(NamedTuple):
    """The parts of an event that a formula may name."""

    quantity: Decimal
    properties: Mapping[str, PropertyValue]


Value = Decimal | bool | None


class Node:
    """One part of a formula."""

    def value(self, event: Measured) -> Value:
        """Return the value for an event, or None if it cannot be computed."""
        raise NotImplementedError

    def parts(self) -> Iterable["Node"]:
        """Return the parts of which it is computed."""
        return ()


class NumberNode(Node):
    """A part whose value is a number."""

    def value(self, event: Measured) -> Decimal | None:
        """Return the number, or None if it cannot be computed."""
        raise NotImplementedError


class TruthNode(Node):
    """A part whose value is true or false."""

    def value(self, event: Measured) -> bool | None:
        """Return whether it holds, or None if that cannot be computed."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Number(NumberNode):
    """A number that the formula says."""

    number: Decimal

    def value(self, event: Measured) -> Decimal | None:  # noqa: ARG002 - as of every node
        return self.number


@dataclass(frozen=True, slots=True)
class Quantity(NumberNode):
    """The quantity of the event."""

    def value(self, event: Measured) -> Decimal | None:
        return event.quantity


@dataclass(frozen=True, slots=True)
class NumberOf(NumberNode):
    """The number in a property, or in its text."""

    name: str

    def value(self, event: Measured) -> Decimal | None:
        return signed_number_in(event.properties.get(self.name))


class Operator(StrEnum):
    """What is computed of two numbers."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    REMAINDER = "%"


_EXACT: Final = {Operator.ADD: _WIDE.add, Operator.SUBTRACT: _WIDE.subtract, Operator.MULTIPLY: _WIDE.multiply}


@dataclass(frozen=True, slots=True)
class Arithmetic(NumberNode):
    """Two numbers and what is computed of them. Nothing is divided by 0."""

    operator: Operator
    left: NumberNode
    right: NumberNode

    def parts(self) -> Iterable[Node]:
        return self.left, self.right

    def value(self, event: Measured) -> Decimal | None:
        left, right = self.left.value(event), self.right.value(event)
        if left is None or right is None:
            return None
        exact = _EXACT.get(self.operator)
        if exact is not None:
            return exact(left, right)
        if not right:
            return None
        if self.operator is Operator.REMAINDER:
            return _WIDE.remainder(left, right)
        return _WIDE.multiply(_WIDE.divide_int(_WIDE.multiply(left, _UP), right), _DOWN)


class Function(StrEnum):
    """A function of one number."""

    NEGATE = "-"
    ABS = "abs"
    CEIL = "ceil"
    FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Applied(NumberNode):
    """A function of one number."""

    function: Function
    part: NumberNode

    def parts(self) -> Iterable[Node]:
        return (self.part,)

    def value(self, event: Measured) -> Decimal | None:
        number = self.part.value(event)
        if number is None:
            return None
        match self.function:
            case Function.NEGATE:
                return number.copy_negate()
            case Function.ABS:
                return number.copy_abs()
            case Function.CEIL:
                return number.to_integral_value(ROUND_CEILING)
            case Function.FLOOR:
                return number.to_integral_value(ROUND_FLOOR)


@dataclass(frozen=True, slots=True)
class Rounded(NumberNode):
    """A number, rounded half-up, away from zero, to so many digits after the point."""

    part: NumberNode
    decimal_places: int

    def parts(self) -> Iterable[Node]:
        return (self.part,)

    def value(self, event: Measured) -> Decimal | None:
        number = self.part.value(event)
        return None if number is None else rounded(number, self.decimal_places)


@dataclass(frozen=True, slots=True)
class Extreme(NumberNode):
    """The greatest or the least of some numbers, of which each must be known."""

    is_greatest: bool
    numbers: Sequence[NumberNode]

    def parts(self) -> Iterable[Node]:
        return self.numbers

    def value(self, event: Measured) -> Decimal | None:
        found = [number for part in self.numbers if (number := part.value(event)) is not None]
        if len(found) < len(self.numbers):
            return None
        return max(found) if self.is_greatest else min(found)


@dataclass(frozen=True, slots=True)
class Conditional(NumberNode):
    """One of two numbers, by a condition. The other is not computed."""

    condition: TruthNode
    then: NumberNode
    otherwise: NumberNode

    def parts(self) -> Iterable[Node]:
        return self.condition, self.then, self.otherwise

    def value(self, event: Measured) -> Decimal | None:
        holds = self.condition.value(event)
        if holds is None:
            return None
        return self.then.value(event) if holds else self.otherwise.value(event)


@dataclass(frozen=True, slots=True)
class Exists(TruthNode):
    """Whether there is a property that is not null."""

    name: str

    def value(self, event: Measured) -> bool | None:
        return event.properties.get(self.name) is not None


@dataclass(frozen=True, slots=True)
class TruthOf(TruthNode):
    """A property that is true or false, or the text of one."""

    name: str

    def value(self, event: Measured) -> bool | None:
        return {"true": True, "false": False}.get(text_of(event.properties.get(self.name)) or "")


@dataclass(frozen=True, slots=True)
class TextIsOneOf(TruthNode):
    """Whether the text of a property is one of these. A property that is absent has no text."""

    name: str
    texts: tuple[str, ...]

    def value(self, event: Measured) -> bool | None:
        return text_of(event.properties.get(self.name)) in self.texts


class Comparison(StrEnum):
    """How two numbers are compared."""

    EQUAL = "=="
    DIFFERENT = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


_COMPARED: Final[Mapping[Comparison, Callable[[Decimal, Decimal], bool]]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.DIFFERENT: operator.ne,
    Comparison.LESS: operator.lt,
    Comparison.LESS_OR_EQUAL: operator.le,
    Comparison.GREATER: operator.gt,
    Comparison.GREATER_OR_EQUAL: operator.ge,
}


@dataclass(frozen=True, slots=True)
class Compared(TruthNode):
    """Two numbers that are compared."""

    comparison: Comparison
    left: NumberNode
    right: NumberNode

    def parts(self) -> Iterable[Node]:
        return self.left, self.right

    def value(self, event: Measured) -> bool | None:
        left, right = self.left.value(event), self.right.value(event)
        if left is None or right is None:
            return None
        return _COMPARED[self.comparison](left, right)


@dataclass(frozen=True, slots=True)
class Inverted(TruthNode):
    """The opposite of a condition."""

    part: TruthNode

    def parts(self) -> Iterable[Node]:
        return (self.part,)

    def value(self, event: Measured) -> bool | None:
        holds = self.part.value(event)
        return None if holds is None else not holds


@dataclass(frozen=True, slots=True)
class Joined(TruthNode):
    """Two conditions, of which both must hold, or one. As in SQL and CEL, one may decide if the other is unknown."""

    is_both: bool
    left: TruthNode
    right: TruthNode

    def parts(self) -> Iterable[Node]:
        return self.left, self.right

    def value(self, event: Measured) -> bool | None:
        decides = not self.is_both
        found = {self.left.value(event), self.right.value(event)}
        if decides in found:
            return decides
        return None if None in found else self.is_both


def rounded(number: Decimal, decimal_places: int) -> Decimal:
    """Return a number rounded half-up, away from zero, to so many digits after the point."""
    return number.quantize(_STEPS[decimal_places], ROUND_HALF_UP, _ROUNDING)


def all_parts(node: Node) -> Iterator[Node]:
    """Yield a part and all of its own parts."""
    yield node
    for part in node.parts():
        yield from all_parts(part)


def cause_of_failure(node: Node, event: Measured) -> Node | None:
    """Return the deepest part that could not be computed; None if it could."""
    if node.value(event) is not None:
        return None
    causes = (cause_of_failure(part, event) for part in _computed(node, event))
    return next((cause for cause in causes if cause is not None), node)


def _computed(node: Node, event: Measured) -> Iterable[Node]:
    if isinstance(node, Conditional):
        holds = node.condition.value(event)
        return (node.condition,) if holds is None else (node.then if holds else node.otherwise,)
    return node.parts()
