"""What stands on documents in words."""

import pytest

from billing.services.documents.rendering import wording


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
def test_a_period_says_month_and_year_once_where_they_are_the_same(first: str, last: str, expected: str) -> None:
    assert wording.days({"first_day": first, "last_day": last}) == expected


def test_an_address_leaves_out_what_is_empty_and_names_the_country() -> None:
    party = dict.fromkeys(
        ("legal_name", "address_line1", "address_line2", "postal_code", "city", "country", "tax_id"), ""
    )
    assert wording.address(party) == []
    assert wording.address(party | {"name": "Acme", "city": "Oslo", "country": "NO"}) == ["Acme", "Oslo", "Norway"]
    assert wording.address(party | {"country": "XQ"}) == ["XQ"]


def test_a_tier_is_named_by_its_borders() -> None:
    step = {"quantity": "5", "unit_amount": "2", "flat_amount": "0", "amount": "10"}
    for tier, label in (
        ({"above": "0", "up_to": None}, "All units"),
        ({"above": "0", "up_to": "1000"}, "Up to 1,000"),
        ({"above": "1000", "up_to": "2000.5"}, "Above 1,000 up to 2,000.5"),
        ({"above": "2000.5", "up_to": None}, "Above 2,000.5"),
    ):
        explanation = {"model": "volume", "steps": [{**step, "tier": tier}], "exact_amount": "10"}
        line = {"kind": "usage", "amount_minor": 1000, "explanation": explanation}
        assert wording.steps_of(line, "EUR") == [wording.Step(label, "5", "2", "10.00")]


def test_a_carried_amount_needs_no_steps() -> None:
    line = {"kind": "carry", "amount_minor": -100, "explanation": {"model": "carry"}}
    assert wording.steps_of(line, "EUR") == []
    assert (wording.quantity(line), wording.unit_price(line)) == ("", "")


def test_a_correction_says_what_of_it_stood_on_void_invoices() -> None:
    explanation = {
        "model": "adjustment",
        "invoice": "INV-2026-000002",
        "invoiced": {"quantity": "1000", "amount_minor": 100, "forgiven_minor": 100},
        "now": {"model": "per_unit", "quantity": "0", "steps": [], "exact_amount": "0", "amount_minor": 0},
    }
    steps = wording.steps_of({"kind": "adjustment", "explanation": explanation, "amount_minor": 0}, "EUR")
    assert [(step.label, step.amount) for step in steps] == [
        ("Charged by INV-2026-000002", "1.00"),
        ("Of that, on invoices that are void or credited", "1.00"),
        ("Charge by what is known now", "0.00"),
    ]
