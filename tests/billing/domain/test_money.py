"""Amounts: the worked examples of docs/algorithms/rating.md, and that rounding and splitting lose nothing."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.tenant_settings import CURRENCIES as ALL_CURRENCIES
from billing.domain.money import (
    allocate,
    amount_text,
    currency_digits,
    exact_text,
    is_whole_minor,
    money_text,
    price_tag_text,
    rate_text,
    round_to_minor,
    to_major,
)
from tests.algorithm_pages import rows_below
from tests.billing.domain.amounts import CURRENCIES

AMOUNTS = st.integers(-(10**15), 10**15)
EXACT_AMOUNTS = st.decimals(-(10**15), 10**15, places=12)


def test_rounding_is_as_documented() -> None:
    for exact, currency, minor in rows_below("rating", "exact amount", "currency", "minor units"):
        assert round_to_minor(Decimal(exact), currency) == int(minor)


def test_splitting_is_as_documented() -> None:
    for amount, weights, parts in rows_below("rating", "amount", "weights", "parts"):
        assert allocate(int(amount), [int(weight) for weight in weights.split()]) == [
            int(part) for part in parts.split()
        ]


@pytest.mark.parametrize(
    ("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("UYW", 4), ("CLF", 4), ("ISK", 0)]
)
def test_currencies_have_the_digits_of_iso_4217(currency: str, digits: int) -> None:
    assert currency_digits(currency) == digits


def test_every_currency_that_tenants_may_have_has_digits() -> None:
    assert {currency_digits(currency) for currency in ALL_CURRENCIES} == {0, 2, 3}


@given(EXACT_AMOUNTS, CURRENCIES)
def test_rounding_moves_an_amount_by_half_a_unit_at_most_and_a_half_away_from_zero(
    exact: Decimal, currency: str
) -> None:
    shifted = Fraction(exact) * 10 ** currency_digits(currency)
    rounded = round_to_minor(exact, currency)
    assert abs(rounded - shifted) <= Fraction(1, 2)
    if abs(rounded - shifted) == Fraction(1, 2):
        assert abs(rounded) > abs(shifted)


@given(EXACT_AMOUNTS, CURRENCIES)
def test_a_credit_is_rounded_like_the_charge_that_it_takes_back(exact: Decimal, currency: str) -> None:
    assert round_to_minor(-exact, currency) == -round_to_minor(exact, currency)


@given(AMOUNTS, CURRENCIES)
def test_an_amount_comes_back_from_its_major_unit(amount: int, currency: str) -> None:
    major = to_major(amount, currency)
    assert round_to_minor(major, currency) == amount
    assert is_whole_minor(major, currency)
    assert not is_whole_minor(major + Decimal("0.00001"), currency)


def test_amounts_keep_the_digits_of_their_currency() -> None:
    assert [str(to_major(1050, currency)) for currency in ("EUR", "JPY", "KWD")] == ["10.50", "1050", "1.050"]


@given(AMOUNTS, st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any))
def test_parts_sum_to_the_whole_and_each_is_within_a_unit_of_its_share(amount: int, weights: list[int]) -> None:
    parts = allocate(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(amount * weight, sum(weights))) < 1
        assert weight or not part


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1, 1]])
def test_impossible_weights_are_our_mistake(weights: list[int]) -> None:
    with pytest.raises(AssertionError):
        allocate(1, weights)


@pytest.mark.parametrize("text", ["NaN", "Infinity"])
def test_text_that_is_no_number_is_no_amount(text: str) -> None:
    with pytest.raises(AssertionError):
        round_to_minor(Decimal(text), "EUR")


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (123450, "EUR", "1,234.50 EUR"),
        (-5, "EUR", "\N{MINUS SIGN}0.05 EUR"),
        (-123450, "EUR", "\N{MINUS SIGN}1,234.50 EUR"),
        (0, "USD", "0.00 USD"),
        (1234, "JPY", "1,234 JPY"),
        (1234567, "KWD", "1,234.567 KWD"),
        (10**12, "CHF", "10,000,000,000.00 CHF"),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(amount_minor: int, currency: str, text: str) -> None:
    assert money_text(amount_minor, currency) == text.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("0.000125", "EUR", "0.000125 EUR"),
        ("0.5", "EUR", "0.50 EUR"),
        ("0.500000000000", "EUR", "0.50 EUR"),
        ("12", "JPY", "12 JPY"),
        ("0.123456789012", "JPY", "0.123456789012 JPY"),
        ("999999999999.999999999999", "EUR", "999,999,999,999.999999999999 EUR"),
    ],
)
def test_a_rate_is_exact_and_without_noise(amount: str, currency: str, text: str) -> None:
    assert rate_text(amount, currency) == text.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("amount", "text"), [("49", "49 EUR"), ("49.00", "49 EUR"), ("49.5", "49.50 EUR"), ("0", "0 EUR")]
)
def test_a_price_tag_leaves_out_parts_of_zero(amount: str, text: str) -> None:
    assert price_tag_text(Decimal(amount), "EUR") == text.replace(" ", "\N{NO-BREAK SPACE}")


def test_an_amount_without_its_currency_is_for_a_column_that_names_it() -> None:
    assert amount_text(123450, "EUR") == "1,234.50"
    assert exact_text("1400.7005024265", "EUR") == "1,400.7005024265"
    assert exact_text("1E+3", "KWD") == "1,000.000"
