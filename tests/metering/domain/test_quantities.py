"""The one division of quantities."""

from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.quantities import divided


@pytest.mark.parametrize(
    ("dividend", "divisor", "expected"),
    [
        ("10", "3", "3.333333333"),
        ("20", "3", "6.666666667"),
        ("0.000000001", "2", "0.000000001"),
        ("0", "7", "0"),
        ("700", "7", "100"),
    ],
)
def test_a_quotient_is_rounded_half_up_to_nine_places(dividend: str, divisor: str, expected: str) -> None:
    assert str(divided(Decimal(dividend), Decimal(divisor)).normalize()) == str(Decimal(expected).normalize())


@given(st.decimals(0, 10**40, places=30), st.integers(1, 10**12))
def test_a_quotient_is_the_exact_one_rounded(dividend: Decimal, divisor: int) -> None:
    exact = Fraction(dividend) / divisor
    assert Fraction(divided(dividend, Decimal(divisor))) == Fraction(floor(exact * 10**9 + Fraction(1, 2)), 10**9)
