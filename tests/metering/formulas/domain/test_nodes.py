"""The parts of a formula: exact numbers, conditions with unknown parts, and the cause of a failure."""

from decimal import Decimal

import pytest

from metering.formulas.domain.nodes import (
    Arithmetic,
    Compared,
    Comparison,
    Exists,
    Joined,
    Measured,
    Number,
    NumberOf,
    Operator,
    TruthOf,
    all_parts,
    cause_of_failure,
    rounded,
)

NOTHING = Measured(Decimal(1), {})
UNKNOWN, TRUE, FALSE = TruthOf("a"), Compared(Comparison.EQUAL, Number(Decimal(1)), Number(Decimal(1))), Exists("a")


@pytest.mark.parametrize(
    ("is_both", "found"),
    [
        (True, [True, False, None, False, False, False, None, False, None]),
        (False, [True, True, True, True, False, None, True, None, None]),
    ],
)
def test_one_part_may_decide_if_the_other_is_unknown(is_both: bool, found: list[bool | None]) -> None:
    parts = (TRUE, FALSE, UNKNOWN)
    assert [Joined(is_both, left, right).value(NOTHING) for left in parts for right in parts] == found


def test_a_quotient_is_cut_after_thirty_digits_toward_zero() -> None:
    third = Arithmetic(Operator.DIVIDE, Number(Decimal(-2)), Number(Decimal(3)))
    assert third.value(NOTHING) == Decimal("-0." + "6" * 30)


@pytest.mark.parametrize(("number", "found"), [("2.5", "3"), ("-2.5", "-3"), ("2.4", "2"), ("-0.4", "0")])
def test_a_half_is_rounded_away_from_zero(number: str, found: str) -> None:
    assert rounded(Decimal(number), 0) == Decimal(found)


def test_the_cause_of_a_failure_is_its_deepest_part() -> None:
    lost = NumberOf("b")
    whole = Arithmetic(Operator.ADD, Number(Decimal(1)), Arithmetic(Operator.MULTIPLY, Number(Decimal(1)), lost))
    assert cause_of_failure(whole, NOTHING) == lost
    assert cause_of_failure(whole, Measured(Decimal(1), {"b": 2})) is None
    assert len(list(all_parts(whole))) == 5
