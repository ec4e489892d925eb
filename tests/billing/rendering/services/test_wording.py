"""The words on documents."""

from decimal import Decimal

import pytest

from billing.domain.prices import PerUnit
from billing.domain.rating import rate
from billing.rendering.services import wording


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-03-01", "2026-03-01", "1 March 2026"),
        ("2026-03-01", "2026-03-31", "1 \u2013 31 March 2026"),
        ("2026-03-17", "2026-04-16", "17 March \u2013 16 April 2026"),
        ("2026-12-17", "2027-01-16", "17 December 2026 \u2013 16 January 2027"),
        ("2026-03-05", "2027-03-04", "5 March 2026 \u2013 4 March 2027"),
    ],
)
def test_a_period_names_month_and_year_once_if_they_are_the_same(first: str, last: str, expected: str) -> None:
    assert wording.days({"first_day": first, "last_day": last}) == expected


def test_an_address_leaves_out_what_is_empty_and_names_the_country() -> None:
    party = dict.fromkeys(
        ("legal_name", "address_line1", "address_line2", "postal_code", "city", "country", "tax_id"), ""
    )
    assert wording.address(party) == []
    assert wording.address(party | {"name": "Acme", "city": "Oslo", "country": "NO"}) == ["Acme", "Oslo", "Norway"]
    assert wording.address(party | {"country": "XQ"}) == ["XQ"]


def test_a_step_uses_the_columns_of_the_table() -> None:
    charge = rate(PerUnit(Decimal("0.001")), Decimal(12345), "EUR")
    line = {"kind": "usage", "amount_minor": charge.amount_minor, "explanation": charge.explanation()}
    assert wording.steps_under(line, "EUR") == [
        wording.PrintedStep("Units", "12,345", "0.001", "12.345"),
        wording.PrintedStep("Rounded half up from 12.345\N{NO-BREAK SPACE}EUR", amount="0.005"),
    ]


def test_the_price_of_a_unit_needs_no_step_if_its_column_has_it() -> None:
    charge = rate(PerUnit(Decimal(2)), Decimal(5), "EUR")
    line = {"kind": "usage", "amount_minor": charge.amount_minor, "explanation": charge.explanation()}
    assert (wording.steps_under(line, "EUR"), wording.unit_price(line)) == ([], "2")


@pytest.mark.parametrize(("quantity", "printed"), [("1", "1 request"), ("1.000", "1 request"), ("2", "2 requests")])
def test_one_unit_is_printed_in_the_singular(quantity: str, printed: str) -> None:
    assert wording.quantity({"kind": "usage", "quantity": quantity, "unit": "requests"}) == printed


def test_a_carried_amount_needs_no_steps() -> None:
    line = {"kind": "carry", "amount_minor": -100, "explanation": {"model": "carry"}}
    assert wording.steps_under(line, "EUR") == []
    assert (wording.quantity(line), wording.unit_price(line)) == ("", "")
