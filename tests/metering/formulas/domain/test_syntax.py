"""The text of a formula: what is read, and what is refused with a sentence."""

from decimal import Decimal

import pytest

from metering.formulas.domain.nodes import Measured
from metering.formulas.domain.syntax import DEPTH_MAX, FORMULA_CHARACTERS_MAX, FormulaError, read_formula


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 2 - 3", "5"),
        ("-2 * -3", "6"),
        ("7 % 4", "3"),
        ("-7 % 4", "-3"),
        ("0.1 + 0.2", "0.3"),
        ("1 < 2 ? 3 : 4", "3"),
        ("1 > 2 ? 3 : 1 == 1 ? 5 : 6", "5"),
        ("1 < 2 && !(2 < 1) || 1 != 1 ? 1 : 0", "1"),
        ("max(1, 2, 3) - min(4, 5)", "-1"),
        ("ceil(1.1) + floor(-1.1) + abs(-2) + round(2.5)", "5"),
        ("round(1.005, 2)", "1.01"),
        ("round(-1.005, 2)", "-1.01"),
        ("index + inner", "12"),
        ("properties['a \\'b\\' c'] + properties[\"quantity\"]", "102"),
        ("quantity", "3"),
        ('tier == "gold" ? 1 : 0', "1"),
        ("tier != 'gold' ? 1 : 0", "0"),
        ("'gold' == tier ? 1 : 0", "1"),
        ("tier in ['silver', 'gold'] ? 1 : 0", "1"),
        ("is_batch ? 1 : 0", "1"),
        ("is_batch == false ? 1 : 0", "0"),
        ("has(tier) && !has(nothing) ? 1 : 0", "1"),
        ("\n1\t+\r\n1 ", "2"),
    ],
)
def test_a_formula_is_read_as_it_is_written(text: str, number: str) -> None:
    properties = {"index": 5, "inner": "7", "a 'b' c": 100, "quantity": 2, "tier": "gold", "is_batch": True}
    assert read_formula(text).value(Measured(Decimal(3), properties)) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 +", "ends too early"),
        ("(1", "ends too early"),
        ("1 2", "from '2' on"),
        ("a.b", "from '.b' on"),
        ("a[0]", "from '0]' on"),
        ("other['a']", "Only properties"),
        ("2 ** 3", "from '* 3' on"),
        ("1e5", "from '1e5' on"),
        ("0x1F", "from '0x1F' on"),
        ("123456789012345678901", "from '1234"),
        ("0.1234567890", "from '0.12"),
        ("__import__('os')", "no function __import__"),
        ("pow(2, 3)", "no function pow"),
        ("true", "not a condition"),
        ("1 < 2", "not a condition"),
        ("'a'", "is a text"),
        ("a + 'x'", "is a text"),
        ("1 ? 2 : 3", "stands a condition"),
        ("a == b ? 1 : 2", "a - b == 0"),
        ("tier < 'gold' ? 1 : 2", "by == or !="),
        ("1 == 'gold' ? 1 : 2", "compared with a property"),
        ("tier in ['a', 1] ? 1 : 2", "in compares a property with texts"),
        ("1 in ['a'] ? 1 : 2", "in compares a property with texts"),
        ("ceil()", "takes one number"),
        ("ceil(1, 2)", "takes one number"),
        ("max(1)", "two numbers or more"),
        ("round()", "round takes"),
        ("round(1, 2, 3)", "round takes"),
        ("round(1, 10)", "0 to 9 digits"),
        ("round(1, a)", "0 to 9 digits"),
        ("round(1, 0.5)", "0 to 9 digits"),
        ("has(1)", "name of a property"),
        ("a\x00", "cannot be read"),
        ("[x for x in y]", "cannot be read"),
        ("a; b", "cannot be read"),
        ("", "ends too early"),
        ("1" * FORMULA_CHARACTERS_MAX + "1", "at most 500 characters"),
        ("-" * (FORMULA_CHARACTERS_MAX - 1) + "1", "at most 100 parts"),
        ("-" * DEPTH_MAX + "1", "at most 100 parts"),
        ("+".join("a" * 101), "at most 100 parts"),
    ],
)
def test_what_is_no_formula_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(FormulaError) as refused:
        read_formula(text)
    assert sentence in str(refused.value)


def test_brackets_do_not_make_a_formula_deep() -> None:
    assert read_formula("(" * 240 + "7" + ")" * 240).value(Measured(Decimal(1), {})) == 7
