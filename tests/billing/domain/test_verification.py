"""What verification says of values alone: bounds, and an invoice that could not be computed at all."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.invoicing.computing import compute_invoice
from billing.domain.invoicing.lines import Used
from billing.domain.verification import Bounds, StoredInvoice, differences_of
from tests.billing.domain.states import VAT, state


@pytest.mark.parametrize(
    ("quantity", "events", "holds"),
    [
        ("10", 1, True),
        ("30", 3, True),
        ("20", 2, True),
        ("9", 1, False),
        ("31", 3, False),
        ("20", 0, False),
        ("20", 4, False),
    ],
)
def test_bounds_hold_what_lies_between_them_in_quantity_and_in_events(
    quantity: str, events: int, *, holds: bool
) -> None:
    bounds = Bounds(Used(Decimal(10), 1), Used(Decimal(30), 3))
    assert bounds.hold(Used(Decimal(quantity), events)) is holds


def test_bounds_say_one_thing_where_they_are_one() -> None:
    least, most = Used(Decimal("10.50"), 1), Used(Decimal(30), 3)
    assert str(Bounds(least, least)) == "10.5 in 1 events"
    assert str(Bounds(least, most)) == "between 10.5 in 1 events and 30 in 3 events"


def stored(**changes: Any) -> StoredInvoice:
    """The first invoice of a subscription, as it was computed."""
    computed = compute_invoice(state(0), usage=[], invoiced=[], credit_minor=0, tax=VAT)
    facts = StoredInvoice(
        number="INV-2026-000001",
        state=computed.state,
        lines=computed.lines,
        lines_digest=computed.lines_digest,
        tax=VAT,
        subtotal_minor=computed.subtotal_minor,
        tax_minor=computed.tax_minor,
        total_minor=computed.total_minor,
        issued_on="2026-03-01",
        due_on="2026-03-15",
        credit_minor=0,
        corrected=(),
    )
    return replace(facts, **changes)


def test_what_was_computed_agrees_with_itself() -> None:
    assert list(differences_of(stored())) == []


def test_an_invoice_in_a_currency_that_its_plan_is_not_sold_in_could_not_be_computed() -> None:
    found = list(differences_of(stored(state=state(0, currency="USD"))))
    assert [str(difference) for difference in found] == [
        "INV-2026-000001: lines: It could not be computed: Basic v1 has no prices in USD."
    ]


def test_tax_and_total_are_computed_anew() -> None:
    codes = [difference.code for difference in differences_of(stored(tax_minor=1, total_minor=4901))]
    assert codes == ["tax_minor", "total_minor"]
