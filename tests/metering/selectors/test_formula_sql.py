"""A formula comes to the same number in SQL and in Python, whatever it is and whatever the event has."""

import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.sql import fetch_all
from metering.domain.aggregations.registry import AGGREGATIONS
from metering.domain.canonical import PropertyValue
from metering.domain.meter_rules import MeterRule
from metering.formulas.domain.formula import formula_of
from metering.formulas.domain.syntax import FORMULA_CHARACTERS_MAX
from metering.selectors.aggregation_sql import AGGREGATION_SQL
from metering.selectors.formula_sql import FORMULAS_OTHERWISE, formula_sql, with_formulas

pytestmark = pytest.mark.django_db

NAMES = ["a", "b", 'properties["c d"]', "properties['%s \\'x\\' \\\\']"]
PROPERTIES = ["a", "b", "c d", "%s 'x' \\"]


@st.composite
def number_formulas(draw: st.DrawFn, depth: int = 4) -> str:
    """Return a formula whose value is a number."""

    def part() -> str:
        return draw(number_formulas(depth - 1))

    kind = draw(st.integers(0, 9 if depth else 1))
    if kind == 0:
        return draw(st.sampled_from(["0", "1", "0.5", "1048576", "99999999999999999999", "quantity"]))
    if kind in {1, 2}:
        return draw(st.sampled_from(NAMES))
    if kind <= 5:
        return f"({part()} {draw(st.sampled_from('+-*/%'))} {part()})"
    if kind <= 7:
        function = draw(st.sampled_from(["-({})", "abs({})", "ceil({})", "floor({})", "round({})", "round({}, 3)"]))
        return function.format(part())
    if kind == 8:
        return f"{draw(st.sampled_from(['min', 'max']))}({part()}, {part()})"
    return f"({draw(truth_formulas(depth - 1))} ? {part()} : {part()})"


@st.composite
def truth_formulas(draw: st.DrawFn, depth: int) -> str:
    """Return a formula whose value is true or false."""
    name = draw(st.sampled_from(NAMES))
    match draw(st.integers(0, 5 if depth else 2)):
        case 0:
            return draw(st.sampled_from([name, f"has({name})"]))
        case 1:
            return f"{name} {draw(st.sampled_from(COMPARED_WITH_TEXTS))}"
        case 2 | 3:
            sign = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
            return f"{draw(number_formulas(depth))} {sign} (0 + b)"
        case 4:
            return f"!({draw(truth_formulas(depth - 1))})"
    sign = draw(st.sampled_from(["&&", "||"]))
    return f"({draw(truth_formulas(depth - 1))} {sign} {draw(truth_formulas(depth - 1))})"


COMPARED_WITH_TEXTS = ["== 'gold'", "!= 'gold'", "in ['7', '50%']", "== true"]


def is_short(text: str) -> bool:
    return len(text) <= FORMULA_CHARACTERS_MAX


values = st.one_of(
    st.sampled_from([None, True, False, "gold", "7", "7.50", "1e3", "", "true", "50%", 0, 1, -7, 10**20 - 1]),
    st.decimals("-99999999999999999999", "99999999999999999999", places=9, allow_nan=False),
    st.sampled_from([Decimal("0." + "0" * 29 + "1"), Decimal("-0.5"), Decimal("2.5")]),
)


@given(
    text=number_formulas().filter(is_short),
    quantity=st.sampled_from([Decimal(1), Decimal(0), Decimal("12345678901.123456789")]),
    properties=st.dictionaries(st.sampled_from(PROPERTIES), values),
)
def test_sql_and_python_agree_on_each_formula(
    text: str, quantity: Decimal, properties: dict[str, PropertyValue]
) -> None:
    formula = formula_of(text)
    assert formula is not None
    [(found,)] = fetch_all(
        f"SELECT {formula_sql(text)}"
        " FROM (SELECT %(quantity)s::numeric AS quantity, %(properties)s::jsonb AS properties) AS e",
        {"quantity": quantity, "properties": _json(properties)},
    )
    assert found == formula.value(quantity, properties)


def _json(properties: dict[str, PropertyValue]) -> str:
    return msgspec.json.Encoder(decimal_format="number").encode(properties).decode()


def test_each_kind_that_takes_formulas_has_a_mark_for_them() -> None:
    for kind in AGGREGATIONS:
        has_mark = any(mark in AGGREGATION_SQL[kind.code].measured for mark in FORMULAS_OTHERWISE.values())
        assert has_mark == kind.takes_formula


def test_a_statement_gets_the_formulas_of_its_own_meters() -> None:
    mark = FORMULAS_OTHERWISE["NULL"]
    statement = f"SELECT CASE {mark} WHEN true THEN 1 END"
    plain = MeterRule(1, "plain", "call", AGGREGATIONS[1])
    computed = MeterRule(2, "computed", "call", AGGREGATIONS[1], formula=formula_of("7 % a"), version=3)
    assert with_formulas(statement, [plain]) == "SELECT CASE  WHEN true THEN 1 END"
    written = with_formulas(statement, [plain, computed])
    assert re.match(
        r"SELECT CASE WHEN m.meter_id = 2 AND m.version = 3 THEN coalesce\(\(SELECT .*, NULL\) WHEN", written
    )
    assert "%" not in written.replace("%%", "")
