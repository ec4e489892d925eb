"""Exchange rates: the worked amounts of docs/algorithms/tax.md, and how they are computed."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.exchange import (
    DayRate,
    conversion,
    currency_of_seller,
)
from tests.algorithm_pages import rows_below

FRIDAY = date(2026, 2, 27)
KNOWN = [
    DayRate("EUR", "USD", date(2026, 2, 26), Decimal("1.1")),
    DayRate("EUR", "USD", FRIDAY, Decimal("1.0823")),
    DayRate("EUR", "CZK", FRIDAY, Decimal("24.345")),
]


def test_amounts_are_converted_as_documented() -> None:
    columns = ("amount", "currency", "seller's", "day", "of", "in the seller's")
    for amount, currency, own, day, rated_on, converted in rows_below("tax", *columns):
        found = conversion(currency, own, KNOWN, date.fromisoformat(day))
        said = ("none", "") if found is None else (found.day.isoformat(), str(found.amount_minor(int(amount))))
        assert said == (rated_on, converted), (amount, currency, own, day)


def test_a_direct_rate_is_preferred_to_two_and_named() -> None:
    direct = DayRate("CZK", "USD", FRIDAY, Decimal("0.0445"), "Own bank")
    found = conversion("USD", "CZK", [*KNOWN, direct], FRIDAY)
    assert found is not None
    assert found.words() == "1 CZK = 0.0445 USD (Own bank, 2026-02-27)"
    over = conversion("USD", "CZK", KNOWN, FRIDAY)
    assert over is not None
    assert over.words() == "1 EUR = 1.0823 USD, 1 EUR = 24.345 CZK (European Central Bank, 2026-02-27)"


@pytest.mark.parametrize(
    ("country", "currency"),
    [("DE", "EUR"), ("HR", "EUR"), ("CZ", "CZK"), ("MC", "EUR"), ("LI", "CHF"), ("GB", "GBP"), ("US", ""), ("", "")],
)
def test_each_seller_owes_its_tax_in_a_currency(country: str, currency: str) -> None:
    assert currency_of_seller(country) == currency


@given(st.integers(-(10**9), 10**9), st.decimals("0.0001", "99999", places=4), st.sampled_from(["USD", "JPY", "KWD"]))
def test_nothing_is_converted_by_more_than_half_a_cent_off(amount: int, rate: Decimal, currency: str) -> None:
    found = conversion(currency, "EUR", [DayRate("EUR", currency, FRIDAY, rate)], FRIDAY)
    assert found is not None
    exact = Decimal(amount) / {"USD": 100, "JPY": 1, "KWD": 1000}[currency] / rate * 100
    assert abs(found.amount_minor(amount) - exact) <= Decimal("0.5000001")
