"""How money and days are written."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from portal.templatetags.money import fee, money, rate
from portal.templatetags.portal import days_until, quantity


def test_an_absent_amount_is_an_empty_text() -> None:
    assert money(None, "EUR") == ""
    assert quantity(None) == ""


def test_money_is_written_by_the_domain() -> None:
    assert money(123450, "EUR") == "1,234.50\N{NO-BREAK SPACE}EUR"
    assert rate("0.000125", "EUR") == "0.000125\N{NO-BREAK SPACE}EUR"
    assert fee(Decimal(49), "EUR") == "49\N{NO-BREAK SPACE}EUR"
    assert quantity(Decimal("1234567.50")) == "1,234,567.5"


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
