"""Properties as PostgreSQL reads them."""

from decimal import Decimal

import pytest

from metering.domain.canonical import PropertyValue
from metering.formulas.domain.property_values import number_in, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (None, None),
        (200, "200"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_the_text_of_a_property_is_what_postgresql_prints(value: PropertyValue, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "number"), [(7, "7"), (-7, "0"), ("7.50", "7.50"), ("1e3", None), ("", None), (True, None), (None, None)]
)
def test_a_number_is_a_number_or_a_plain_numeric_text(value: PropertyValue, number: str | None) -> None:
    assert number_in(value) == (None if number is None else Decimal(number))
