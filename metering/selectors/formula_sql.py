"""The SQL of a formula: of an event `e` it computes what `metering.formulas.domain` computes in Python.

NULL is what cannot be computed. No part is written twice, so the SQL is as long as the formula.

A statement that measures events has a mark in the place of its meters' formulas. The mark is no SQL, so PostgreSQL
refuses a statement in which `with_formulas` did not replace it.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from metering.domain.meter_rules import MeterRule
from metering.formulas.domain.formula import RESULT_DECIMAL_PLACES, RESULT_MAGNITUDE_MAX
from metering.formulas.domain.nodes import (
    QUOTIENT_DECIMAL_PLACES,
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
    NumberOf,
    Operator,
    Quantity,
    Rounded,
    TextIsOneOf,
    TruthOf,
)
from metering.formulas.domain.property_values import NUMERIC_TEXT_PATTERN
from metering.formulas.domain.syntax import read_formula

# The mark for kinds that count an event without a value as this, 0 or NULL.
FORMULAS_OTHERWISE: Final = {otherwise: f"«formulas, or {otherwise}»" for otherwise in ("0", "NULL")}
_COMPARED: Final = {Comparison.EQUAL: "=", Comparison.DIFFERENT: "<>"}


def with_formulas(statement: str, rules: Iterable[MeterRule]) -> str:
    """Return a statement with the formulas of its meters `m`, which are all that its parameter `meters` has."""
    return _written(
        statement, tuple((rule.id, rule.version, rule.formula.text) for rule in rules if rule.formula is not None)
    )


@lru_cache(maxsize=512)
def _written(statement: str, formulas: tuple[tuple[int, int, str], ...]) -> str:
    for otherwise, mark in FORMULAS_OTHERWISE.items():
        cases = [
            f"WHEN m.meter_id = {meter_id} AND m.version = {version} THEN coalesce({formula_sql(text)}, {otherwise})"
            for meter_id, version, text in formulas
        ]
        statement = statement.replace(mark, " ".join(cases))
    return statement


@lru_cache(maxsize=1024)
def formula_sql(text: str) -> str:
    """Return the expression of a formula's value, for a statement with parameters: each `%` is doubled."""
    root = _sql(read_formula(text)).replace("%", "%%")
    return (
        f"(SELECT CASE WHEN f.value < {RESULT_MAGNITUDE_MAX} THEN greatest(f.value, 0) END"
        f" FROM (SELECT round({root}, {RESULT_DECIMAL_PLACES})) AS f(value))"
    )


def _sql(node: Node) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each kind of part
    match node:
        case Number(number):
            return f"{number:f}::numeric"
        case Quantity():
            return "e.quantity"
        case NumberOf(name):
            return _number_in(_quoted(name))
        case Arithmetic(operator, left, right):
            return _arithmetic(operator, _sql(left), _sql(right))
        case Applied(Function.NEGATE, part):
            return f"(- {_sql(part)})"
        case Applied(function, part):
            return f"{function}({_sql(part)})"
        case Rounded(part, decimal_places):
            return f"round({_sql(part)}, {decimal_places})"
        case Extreme(is_greatest, numbers):
            return _extreme("max" if is_greatest else "min", [_sql(number) for number in numbers])
        case Conditional(condition, then, otherwise):
            return f"(CASE {_sql(condition)} WHEN true THEN {_sql(then)} WHEN false THEN {_sql(otherwise)} END)"
        case Exists(name):
            return f"(e.properties ->> {_quoted(name)} IS NOT NULL)"
        case TruthOf(name):
            return f"(CASE e.properties ->> {_quoted(name)} WHEN 'true' THEN true WHEN 'false' THEN false END)"
        case TextIsOneOf(name, texts):
            options = ", ".join(_quoted(text) for text in texts)
            return f"coalesce(e.properties ->> {_quoted(name)} IN ({options}), false)"
        case Compared(comparison, left, right):
            return f"({_sql(left)} {_COMPARED.get(comparison, comparison)} {_sql(right)})"
        case Inverted(part):
            return f"(NOT {_sql(part)})"
        case Joined(is_both, left, right):
            return f"({_sql(left)} {'AND' if is_both else 'OR'} {_sql(right)})"
    raise AssertionError(f"a formula has no part such as {node}")


def _number_in(name: str) -> str:
    text = f"e.properties ->> {name}"
    return (
        f"(CASE WHEN jsonb_typeof(e.properties -> {name}) = 'number'"
        f" OR jsonb_typeof(e.properties -> {name}) = 'string' AND {text} ~ '^{NUMERIC_TEXT_PATTERN}$'"
        f" THEN ({text})::numeric END)"
    )


def _arithmetic(operator: Operator, left: str, right: str) -> str:
    """Return two numbers with their operator; NULL is what is divided by 0. `div` cuts a quotient, exactly."""
    match operator:
        case Operator.DIVIDE:
            up = f"1e{QUOTIENT_DECIMAL_PLACES}"
            return f"(div({left} * {up}, nullif({right}, 0)) * 1e-{QUOTIENT_DECIMAL_PLACES})"
        case Operator.REMAINDER:
            return f"mod({left}, nullif({right}, 0))"
    return f"({left} {operator} {right})"


def _extreme(aggregate: str, numbers: list[str]) -> str:
    """Return the aggregate of some numbers; NULL if one of them is NULL."""
    values = ", ".join(f"({number})" for number in numbers)
    return f"(SELECT CASE WHEN count(x.n) = {len(numbers)} THEN {aggregate}(x.n) END FROM (VALUES {values}) AS x(n))"


def _quoted(text: str) -> str:
    """Return a text as a constant of SQL, whatever characters it has."""
    doubled = text.replace("'", "''")
    if "\\" in doubled:
        return "E'" + doubled.replace("\\", "\\\\") + "'"
    return f"'{doubled}'"
