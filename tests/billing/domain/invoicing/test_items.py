"""A single item is kept as it was said, and its line follows from quantity, price and days."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from accounts.errors import InvalidFieldsError
from billing.domain.invoicing.items import ITEMS_MAX, Item, check_items

HOURS = Item("Support", Decimal("2.50"), "hours", Decimal("99.990"), date(2026, 3, 16), date(2026, 4, 14))


def test_what_a_request_keeps_is_the_same_item() -> None:
    said = HOURS.as_said()
    assert said == {
        "description": "Support", "quantity": "2.5", "unit": "hours", "unit_price": "99.99",
        "first_on": "2026-03-16", "last_on": "2026-04-14",
    }  # fmt: skip
    assert Item.of_said(said) == HOURS


def test_each_field_that_cannot_be_is_named() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC).date()
    wrong = Item("", Decimal("0.0000000001"), "x" * 31, Decimal("NaN"), day, date(2040, 1, 1))
    with pytest.raises(InvalidFieldsError) as refused:
        check_items([HOURS, wrong])
    assert [one.pointer for one in refused.value.field_errors] == [
        "/items/1/description", "/items/1/unit", "/items/1/quantity", "/items/1/unit_price", "/items/1/last_on",
    ]  # fmt: skip
    with pytest.raises(InvalidFieldsError, match="1 to 20"):
        check_items([HOURS] * (ITEMS_MAX + 1))
    check_items([HOURS])
