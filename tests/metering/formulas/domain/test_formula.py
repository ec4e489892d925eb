"""The value of a formula: exact, within bounds, and with a reason if there is none."""

import json
from decimal import Decimal

import pytest

from metering.domain.canonical import PropertyValue
from metering.formulas.domain.formula import Formula, formula_of
from metering.formulas.domain.syntax import FORMULA_CHARACTERS_MAX
from tests.algorithm_pages import rows_below

ONE = Decimal(1)


def read(text: str) -> Formula:
    formula = formula_of(text)
    assert formula is not None
    return formula


def test_no_text_is_no_formula() -> None:
    assert formula_of("") is None


def test_the_examples_of_the_documentation() -> None:
    tokens = read("input_tokens + 4 * output_tokens")
    assert tokens.value(ONE, {"input_tokens": 1200, "output_tokens": "350"}) == 2600
    assert tokens.names == ("input_tokens", "output_tokens")
    blocks = read('ceil(bytes / 1048576) * (tier == "gold" ? 2 : 1)')
    assert blocks.value(ONE, {"bytes": 1048577, "tier": "gold"}) == 4
    assert blocks.value(ONE, {"bytes": 1048576}) == 1


def test_the_table_of_the_documentation() -> None:
    for text, properties, value in rows_below("metering", "formula", "properties", "value"):
        found = read(text).value(ONE, json.loads(properties))
        assert found == (None if value == "refused" else Decimal(value)), text


@pytest.mark.parametrize(
    ("text", "properties", "value"),
    [
        ("a / 3", {"a": 1}, "0.333333333"),
        ("a / 3", {"a": 2}, "0.666666667"),
        ("a / 3 * 3", {"a": 1}, "1"),
        ("a - b", {"a": 1, "b": 5}, "0"),
        ("a * 0.000000001 / 2", {"a": 1}, "0.000000001"),
        ("a * a / b", {"a": 10**19, "b": 10**19}, str(10**19)),
        ("floor(a / b)", {"a": Decimal("99999999999999999999.999999999"), "b": 1}, "9" * 20),
        ("ceil(a / b)", {"a": Decimal("0.000000001"), "b": Decimal("99999999999999999999.999999999")}, "1"),
        ("a > 0.1 + 0.2 ? 1 : 2", {"a": Decimal("0.3")}, "2"),
        ("has(a) ? a : 0", {"a": None}, "0"),
        ("has(a) && a > 1 ? 1 : 2", {}, "2"),
        ("x == 'a' ? 1 : 2", {}, "2"),
        ("x != 'a' ? 1 : 2", {}, "1"),
        ("x == 'true' ? 1 : 2", {"x": True}, "1"),
        ("x == '1.5' ? 1 : 2", {"x": Decimal("1.5")}, "1"),
    ],
)
def test_values_are_exact(text: str, properties: dict[str, PropertyValue], value: str) -> None:
    assert read(text).value(ONE, properties) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "properties", "reason", "name"),
    [
        ("a + b", {"a": 1}, "the property b is no number", "b"),
        ("a", {"a": "1e3"}, "the property a is no number", "a"),
        ("a", {"a": True}, "the property a is no number", "a"),
        ("a ? 1 : 2", {"a": "yes"}, "the property a is neither true nor false", "a"),
        ("a > 1 ? 1 : b", {"a": 0}, "the property b is no number", "b"),
        ("a > 1 ? 1 : b", {"b": 0}, "the property a is no number", "a"),
        ("max(a, 1)", {}, "the property a is no number", "a"),
        ("1 / a", {"a": 0}, "it divides by 0", None),
        ("1 % (a - a)", {"a": 5}, "it divides by 0", None),
        ("a * 10", {"a": 10**19}, "the result has more than 20 digits before the point", None),
        ("round(-(abs(a)), 1) < 0 || !has(a) ? 1 : 2", {}, None, None),
    ],
)
def test_a_failure_has_its_reason(
    text: str, properties: dict[str, PropertyValue], reason: str | None, name: str | None
) -> None:
    formula = read(text)
    failure = formula.failure(ONE, properties)
    assert (failure and failure.reason, failure and failure.name) == (reason, name)
    assert (formula.value(ONE, properties) is None) == (reason is not None)


def test_the_longest_formula_is_computed_exactly() -> None:
    most = Decimal("99999999999999999999." + "9" * 30)
    product = "*".join("a" * 20)
    assert read(f"({product}) / ({product})").value(ONE, {"a": most}) == 1
    nested = "/".join("a" * 48)
    assert len(nested) < FORMULA_CHARACTERS_MAX
    assert read(nested).value(ONE, {"a": Decimal("0.1")}) is None
