"""How numbers are written for people."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.numbers import counted, number_text, short_number_text, shortened, unit_name


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        ("1234567.50", "1,234,567.5"),
        ("1E+3", "1,000"),
        ("0.000000000001", "0.000000000001"),
        ("-13.46", "\N{MINUS SIGN}13.46"),
        ("-0.00", "0"),
        ("12345678901234567890123456789.123456789012345678901",
         "12,345,678,901,234,567,890,123,456,789.123456789012345678901"),
    ],
)  # fmt: skip
def test_a_number_has_its_thousands_grouped_and_no_trailing_zeros(number: int | str, text: str) -> None:
    assert number_text(number) == text


def test_a_number_has_the_decimals_that_are_requested() -> None:
    assert [number_text("1234.5", decimals_min=digits) for digits in (0, 2, 3)] == ["1,234.5", "1,234.50", "1,234.500"]
    assert number_text("0.12345", decimals_min=2) == "0.12345"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        ("29.166666667", "29.167"),
        ("1234567.8915", "1,234,567.892"),
        ("12.5", "12.5"),
        ("0.333333333", "0.3333"),
        ("0.000123456", "0.0001235"),
        ("0.000000001", "0.000000001"),
        ("9.9999", "10"),
        ("-29.166666667", "\N{MINUS SIGN}29.167"),
        ("1E+3", "1,000"),
    ],
)
def test_a_short_number_has_three_decimals_or_four_significant_digits(number: int | str, text: str) -> None:
    assert short_number_text(Decimal(number)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**29), max_value=10**29))
def test_a_short_number_is_near_the_exact_one(number: Decimal) -> None:
    difference = abs(shortened(number) - number)
    assert difference <= abs(number) / 2000
    assert difference <= Decimal("0.0005")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=30, min_value=-(10**29), max_value=10**29))
def test_a_written_number_reads_back_as_itself(number: Decimal) -> None:
    assert Decimal(number_text(number).replace(",", "").replace("\N{MINUS SIGN}", "-")) == number


@pytest.mark.parametrize(
    ("unit", "one"),
    [
        ("requests", "request"), ("queries", "query"), ("boxes", "box"), ("addresses", "address"), ("bytes", "byte"),
        ("GB", "GB"), ("status", "status"), ("pass", "pass"), ("bytes/s", "bytes/s"), ("", ""),
    ],
)  # fmt: skip
def test_a_unit_is_singular_beside_one_and_plural_beside_any_other(unit: str, one: str) -> None:
    assert unit_name(unit, 1) == unit_name(unit, Decimal("1.00")) == one
    assert unit_name(unit, 2) == unit_name(unit, 0) == unit_name(unit, Decimal("1.5")) == unit


def test_a_counted_unit_agrees_with_its_number() -> None:
    assert [counted(1, "days"), counted(2000, "days"), counted(3, "")] == ["1 day", "2,000 days", "3"]
