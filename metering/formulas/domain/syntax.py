"""The text of a formula, read into its parts: arithmetic, conditions and a few functions, in the syntax of CEL.

The grammar is a part of the Common Expression Language (https://cel.dev) without attributes, loops and powers, so no
formula takes more than its length in time. Numbers are exact decimals.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from lark import Lark, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError

from metering.formulas.domain.nodes import (
    ROUNDED_DECIMAL_PLACES_MAX,
    Applied,
    Arithmetic,
    Compared,
    Comparison,
    Conditional,
    Exists,
    Extreme,
    Function,
    Inverted,
    Joined,
    Node,
    Number,
    NumberNode,
    NumberOf,
    Operator,
    Quantity,
    Rounded,
    TextIsOneOf,
    TruthNode,
    TruthOf,
    all_parts,
)

FORMULA_CHARACTERS_MAX: Final = 500
PARTS_MAX: Final = 100
DEPTH_MAX: Final = 50
EXTREME_OF_LEAST: Final = 2
EXCERPT_CHARACTERS: Final = 20
PROPERTIES: Final = "properties"
GRAMMAR: Final = r"""
start: choice
?choice: either
    | either "?" choice ":" choice -> chosen
?either: both
    | either "||" both -> one_holds
?both: compared
    | both "&&" compared -> both_hold
?compared: sum
    | sum (EQUAL | ORDER) sum -> comparison
    | sum "in" "[" sum ("," sum)* "]" -> one_of
?sum: product
    | sum PLUS_OR_MINUS product -> arithmetic
?product: unary
    | product TIMES unary -> arithmetic
?unary: atom
    | "-" unary -> negated
    | "!" unary -> inverted
?atom: NUMBER -> number
    | STRING -> text
    | "true" -> true
    | "false" -> false
    | NAME "(" [choice ("," choice)*] ")" -> call
    | NAME -> named
    | NAME "[" STRING "]" -> key
    | "(" choice ")"
EQUAL: "==" | "!="
ORDER: "<=" | ">=" | "<" | ">"
PLUS_OR_MINUS: "+" | "-"
TIMES: "*" | "/" | "%"
NUMBER: /[0-9]{1,20}(\.[0-9]{1,9})?(?![0-9.A-Za-z_])/
STRING: /"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])*'/
NAME: /[A-Za-z_][A-Za-z0-9_]*/
%ignore /[ \t\r\n]+/
"""


class FormulaError(ValueError):
    """A formula cannot be read. Its text is a sentence for its writer."""


class _Name(NamedTuple):
    """A property, whose kind of value its place decides."""

    name: str


class _Text(NamedTuple):
    text: str


class _Truth(NamedTuple):
    is_true: bool


_Part = Node | _Name | _Text | _Truth


@v_args(inline=True)
class _Builder(Transformer[Any, Any]):
    """Builds the parts while the text is read."""

    def start(self, part: _Part) -> NumberNode:
        return _number(part)

    def chosen(self, condition: _Part, then: _Part, otherwise: _Part) -> Node:
        return Conditional(_truth(condition), _number(then), _number(otherwise))

    def one_holds(self, left: _Part, right: _Part) -> Node:
        return Joined(is_both=False, left=_truth(left), right=_truth(right))

    def both_hold(self, left: _Part, right: _Part) -> Node:
        return Joined(is_both=True, left=_truth(left), right=_truth(right))

    def comparison(self, left: _Part, sign: str, right: _Part) -> Node:
        comparison = Comparison(str(sign))
        if isinstance(left, _Name) and isinstance(right, _Name):
            raise FormulaError("Of two properties write a - b == 0 to compare numbers.")
        for one, other in ((left, right), (right, left)):
            if isinstance(other, _Text | _Truth):
                return _is_text(one, other, comparison)
        return Compared(comparison, _number(left), _number(right))

    def one_of(self, left: _Part, *options: _Part) -> Node:
        texts = [option.text for option in options if isinstance(option, _Text)]
        if not isinstance(left, _Name) or len(texts) < len(options):
            raise FormulaError('in compares a property with texts, such as tier in ["gold", "silver"].')
        return TextIsOneOf(left.name, tuple(texts))

    def arithmetic(self, left: _Part, sign: str, right: _Part) -> Node:
        return Arithmetic(Operator(str(sign)), _number(left), _number(right))

    def negated(self, part: _Part) -> Node:
        return Applied(Function.NEGATE, _number(part))

    def inverted(self, part: _Part) -> Node:
        return Inverted(_truth(part))

    def number(self, text: str) -> Node:
        return Number(Decimal(str(text)))

    def text(self, quoted: str) -> _Part:
        return _Text(_unquoted(quoted))

    def true(self) -> _Part:
        return _Truth(is_true=True)

    def false(self) -> _Part:
        return _Truth(is_true=False)

    def named(self, name: str) -> _Part:
        return Quantity() if name == "quantity" else _Name(str(name))

    def key(self, name: str, quoted: str) -> _Part:
        if name != PROPERTIES:
            raise FormulaError(f'Only {PROPERTIES}["a name"] has brackets.')
        return _Name(_unquoted(quoted))

    def call(self, name: str, *given: _Part | None) -> Node:
        arguments = [one for one in given if one is not None]
        function = _FUNCTIONS.get(str(name))
        if function is None:
            raise FormulaError(f"There is no function {name}. There are {', '.join(_FUNCTIONS)}.")
        return function(str(name), arguments)


def _is_text(part: _Part, wanted: _Text | _Truth, comparison: Comparison) -> Node:
    """Return the comparison of a property with a text, or with true or false."""
    if not isinstance(part, _Name) or comparison not in {Comparison.EQUAL, Comparison.DIFFERENT}:
        raise FormulaError('A text is compared with a property, by == or !=, such as tier == "gold".')
    text = wanted.text if isinstance(wanted, _Text) else "true" if wanted.is_true else "false"
    found = TextIsOneOf(part.name, (text,))
    return found if comparison is Comparison.EQUAL else Inverted(found)


def _number(part: _Part) -> NumberNode:
    if isinstance(part, _Name):
        return NumberOf(part.name)
    if isinstance(part, NumberNode):
        return part
    if isinstance(part, _Text):
        raise FormulaError(f'"{part.text}" is a text, but a number is needed.')
    raise FormulaError("A number is needed, not a condition: write condition ? number : number.")


def _truth(part: _Part) -> TruthNode:
    if isinstance(part, _Name):
        return TruthOf(part.name)
    if isinstance(part, TruthNode):
        return part
    raise FormulaError("Before ? and beside && and || stands a condition, such as status == 200.")


def _one_number(name: str, arguments: Sequence[_Part]) -> Node:
    if len(arguments) != 1:
        raise FormulaError(f"{name} takes one number.")
    return Applied(Function(name), _number(arguments[0]))


def _round(_: str, arguments: Sequence[_Part]) -> Node:
    if not 1 <= len(arguments) <= len(("number", "places")):
        raise FormulaError("round takes a number, and perhaps how many digits to leave after the point.")
    number, *places = arguments
    if not places:
        return Rounded(_number(number), 0)
    [decimal_places] = places
    if not isinstance(decimal_places, Number) or decimal_places.number not in range(ROUNDED_DECIMAL_PLACES_MAX + 1):
        raise FormulaError(f"round leaves 0 to {ROUNDED_DECIMAL_PLACES_MAX} digits after the point.")
    return Rounded(_number(number), int(decimal_places.number))


def _extreme(name: str, arguments: Sequence[_Part]) -> Node:
    if len(arguments) < EXTREME_OF_LEAST:
        raise FormulaError(f"{name} takes two numbers or more.")
    return Extreme(name == "max", tuple(_number(one) for one in arguments))


def _has(_: str, arguments: Sequence[_Part]) -> Node:
    if len(arguments) != 1 or not isinstance(arguments[0], _Name):
        raise FormulaError("has takes the name of a property.")
    return Exists(arguments[0].name)


_FUNCTIONS: Final[dict[str, Callable[[str, Sequence[_Part]], Node]]] = {
    "abs": _one_number,
    "ceil": _one_number,
    "floor": _one_number,
    "round": _round,
    "min": _extreme,
    "max": _extreme,
    "has": _has,
}


@cache
def _parser() -> Lark:
    """Return the parser, which takes some time to build: not before there is a formula."""
    return Lark(GRAMMAR, parser="lalr", transformer=_Builder())


@lru_cache(maxsize=1024)
def read_formula(text: str) -> NumberNode:
    """Return the parts of a formula. Raises `FormulaError`."""
    if len(text) > FORMULA_CHARACTERS_MAX:
        raise FormulaError(f"A formula has at most {FORMULA_CHARACTERS_MAX} characters.")
    try:
        found = _parser().parse(text)
    except VisitError as error:
        if isinstance(error.orig_exc, FormulaError):
            raise error.orig_exc from None
        raise
    except UnexpectedInput as error:
        raise FormulaError(_where(text, error)) from error
    assert isinstance(found, NumberNode), "the start of the grammar is a number"
    if _depth(found) > DEPTH_MAX or sum(1 for _ in all_parts(found)) > PARTS_MAX:
        raise FormulaError(f"A formula has at most {PARTS_MAX} parts, {DEPTH_MAX} within one another.")
    return found


def _where(text: str, error: UnexpectedInput) -> str:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return "The formula ends too early, such as a + or a bracket without its counterpart."
    rest = text[error.pos_in_stream :][:EXCERPT_CHARACTERS]
    return f"The formula cannot be read from {rest!r} on. Such as input_tokens + 4 * output_tokens."


def _depth(node: Node) -> int:
    """Return how many parts are within one another, level by level: a formula may be as deep as it is long."""
    level, depth = [node], 0
    while level:
        level, depth = [part for one in level for part in one.parts()], depth + 1
    return depth


def _unquoted(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", str(quoted)[1:-1])
