"""Whether a first tier's flat amount is due without usage is a choice of the price, and its preview shows it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.admin.plan_forms import examples_of
from billing.domain.plan_terms import PriceOffer
from billing.domain.prices import Graduated, PriceTerms, Tier, Volume
from billing.selectors.catalog.plans import sold_version
from billing.verification.services.running import run_verification
from metering.services.voids import void_event
from tests.billing.world import CALLS, MARCH, STAFF, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_meter

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TIERS = (Tier(Decimal(1000), Decimal(0), Decimal(10)), Tier(None, Decimal("0.01")))
CHOICES = [
    (Graduated(TIERS), 0),
    (Volume(TIERS), 0),
    (Graduated(TIERS, charges_flat_at_zero=True), 1000),
    (Volume(TIERS, charges_flat_at_zero=True), 1000),
]


def usage_amounts(terms: PriceTerms, *used: int) -> list[int]:
    """Return the usage line's amounts: of a month with these events, and of the correction after all are voided."""
    make_meter("calls", CALLS, unit="calls", aggregation="sum")
    acme = subscribe_tenant(plan=make_plan(usage={"calls": terms}))
    first_invoice(acme)
    sent = [event for quantity in used for event in use(acme.tenant, quantity, at=MARCH + DAY)]
    first = close_month(acme)
    for event in sent:
        void_event(
            ledger=ledger_of(acme.tenant), event_id=event, reason="a test", voided_by=STAFF.label,
            as_of=first.period_end + DAY,
        )  # fmt: skip
    second = close_month(acme)
    found = run_verification(started_by="test", as_of=MARCH + 200 * DAY)
    assert found.differences == []
    lines = [
        *first.lines.filter(revision=first.revision, kind="usage"),
        *second.lines.filter(revision=second.revision, kind="adjustment"),
    ]
    return [line.amount_minor for line in lines]


@pytest.mark.parametrize(("terms", "without_usage"), CHOICES)
def test_a_month_without_usage_costs_what_the_price_says(terms: PriceTerms, without_usage: int) -> None:
    assert usage_amounts(terms) == [without_usage]


@pytest.mark.parametrize(("terms", "without_usage"), CHOICES)
def test_voiding_all_usage_costs_what_no_usage_costs(terms: PriceTerms, without_usage: int) -> None:
    assert usage_amounts(terms, 5) == [1000, without_usage - 1000]


@pytest.mark.parametrize(("terms", "without_usage"), CHOICES)
def test_the_preview_of_a_price_shows_what_a_month_without_usage_costs(terms: PriceTerms, without_usage: int) -> None:
    [example] = examples_of([PriceOffer("EUR", terms, "calls")], Decimal(5000), {"calls": "Calls"})
    assert example.quantities[0] == "0"
    assert example.rows[0].amounts[0] == f"{without_usage // 100}.00\N{NO-BREAK SPACE}EUR"


@pytest.mark.parametrize(("terms", "_"), CHOICES)
def test_the_choice_is_stored_with_the_price(terms: PriceTerms, _: int) -> None:
    make_meter("calls", CALLS, unit="calls", aggregation="sum")
    version = sold_version(make_plan(usage={"calls": terms}).pk)
    assert version.usage_prices("EUR")[0].terms == terms
    assert version.is_as_published
