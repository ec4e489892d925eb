"""How money and days are written."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from portal.templatetags.money import fee, money, rate
from portal.templatetags.portal import days_until


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (123450, "EUR", "€ 1,234.50"),
        (-5, "EUR", "\N{MINUS SIGN}€ 0.05"),
        (0, "USD", "$ 0.00"),
        (1234, "JPY", "¥ 1,234"),
        (1234567, "KWD", "KWD 1,234.567"),
        (10**12, "CHF", "CHF 10,000,000,000.00"),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(amount_minor: int, currency: str, text: str) -> None:
    assert money(amount_minor, currency) == text.replace(" ", "\N{NO-BREAK SPACE}")


def test_no_amount_is_no_text() -> None:
    assert money(None, "EUR") == ""


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("0.000125", "EUR", "€ 0.000125"),
        ("0.5", "EUR", "€ 0.50"),
        ("0.500000000000", "EUR", "€ 0.50"),
        ("12", "JPY", "¥ 12"),
        ("0.123456789012", "JPY", "¥ 0.123456789012"),
        ("999999999999.999999999999", "EUR", "€ 999,999,999,999.999999999999"),
    ],
)
def test_a_rate_is_exact_and_without_noise(amount: str, currency: str, text: str) -> None:
    assert rate(amount, currency) == text.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(("amount", "text"), [("49", "€ 49"), ("49.00", "€ 49"), ("49.5", "€ 49.50"), ("0", "€ 0")])
def test_a_price_tag_leaves_out_what_is_nothing(amount: str, text: str) -> None:
    assert fee(Decimal(amount), "EUR") == text.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC), "1\N{EN DASH}31 March 2026"),
        (
            datetime(2026, 3, 15, tzinfo=UTC),
            datetime(2026, 4, 14, 22, tzinfo=UTC),
            "15 March \N{EN DASH} 14 April 2026",
        ),
        (
            datetime(2026, 12, 15, tzinfo=UTC),
            datetime(2027, 1, 14, 23, tzinfo=UTC),
            "15 December 2026 \N{EN DASH} 14 January 2027",
        ),
        (datetime(2026, 3, 15, 8, tzinfo=UTC), datetime(2026, 3, 15, 9, tzinfo=UTC), "15 March 2026"),
        (datetime(2026, 3, 15, 8, tzinfo=UTC), datetime(2026, 3, 15, 8, tzinfo=UTC), "15 March 2026"),
        (datetime(2026, 3, 14, 23, tzinfo=UTC), datetime(2026, 3, 14, 23, tzinfo=UTC), "15 March 2026"),
    ],
)
def test_a_span_is_days_of_the_pages_zone_with_the_last_one_included(start: datetime, end: datetime, text: str) -> None:
    with timezone.override(ZoneInfo("Europe/Paris")):
        assert days_until(start, end) == text
