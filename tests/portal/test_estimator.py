"""The estimator: what it starts from, what it computes, and what it refuses."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from accounts.domain.roles import Role
from billing.domain.prices import Graduated, PerUnit, Tier
from billing.models import PricingQuestion
from billing.services.catalog.plans import archive_plan, update_plan
from billing.services.subscriptions.subscribing import subscribe
from metering.models import Meter, UsagePlan, UsagePlanQuota
from tests.billing.world import CALLS, STAFF, close_month, first_invoice, make_plan, use
from tests.metering.ledger_world import make_meter
from tests.portal.conftest import NOW, Cast, join, signed_in

FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
SOFT = Graduated((Tier(Decimal(300), Decimal(0)), Tier(None, Decimal("0.045"))))


def shown(answer: object) -> str:
    """Return a page as its reader sees it: without tags, and with single blanks."""
    text = unescape(re.sub(r"<[^>]+>", " ", answer.content.decode()))  # type: ignore[attr-defined]
    return " ".join(text.split())


def field(answer: object, code: str = "calls") -> str:
    """Return what the field of a meter holds."""
    found = re.search(rf'name="use-{code}" value="([^"]*)"', answer.content.decode())  # type: ignore[attr-defined]
    assert found, "there is a field for the meter"
    return found[1]


@pytest.fixture
def plans(db: None) -> None:
    make_meter("calls", CALLS, unit="calls", aggregation="sum")
    make_plan("a-free", fee="0", usage={})
    make_plan("b-growth", fee="49", usage={"calls": SOFT})
    make_plan("c-scale", fee="199", usage={"calls": PerUnit(Decimal("0.01"))})
    UsagePlanQuota.objects.create(
        usage_plan=UsagePlan.objects.get(code="a-free"),
        meter=Meter.objects.get(code="calls"),
        period="month",
        limit=Decimal(500),
        is_hard=True,
    )


@pytest.mark.usefixtures("plans")
def test_a_visitor_sees_each_plan_rated_for_the_quantity_that_they_ask_for(client: Client) -> None:
    answer = client.get("/pricing/", {"use-calls": "3300"})
    page = shown(answer)

    assert field(answer) == "3300"
    assert "B-Growth Lowest Fee 49.00 EUR + calls 135.00 EUR 184.00 EUR" in page
    assert "C-Scale Fee 199.00 EUR + calls 33.00 EUR 232.00 EUR" in page
    assert "A-Free Takes 500 calls a month at most. The rest would be refused. Too small" in page


@pytest.mark.usefixtures("plans")
def test_a_quantity_that_fits_a_hard_limit_exactly_is_not_refused(client: Client) -> None:
    assert "A-Free Lowest Fee 0.00 EUR 0.00 EUR" in shown(client.get("/pricing/", {"use-calls": "500"}))
    assert "A-Free Takes 500" in shown(client.get("/pricing/", {"use-calls": "500.000000001"}))


@pytest.mark.usefixtures("plans")
def test_a_visitor_starts_from_twice_the_lowest_border_of_a_tier(client: Client) -> None:
    assert field(client.get("/pricing/")) == "600"


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize(
    "hostile", ["-1", "NaN", "Infinity", "1e400", "9" * 40, "1,5", "0x10", "<b>", "0.0000000001", "1" * 5000]
)
def test_a_hostile_quantity_is_refused_at_its_field_and_the_start_is_computed(client: Client, hostile: str) -> None:
    answer = client.get("/pricing/", {"use-calls": hostile})

    assert answer.status_code == 200
    assert 'class="errorlist"' in answer.content.decode()
    assert "<b>" not in answer.content.decode()
    assert "B-Growth Lowest Fee 49.00 EUR + calls 13.50 EUR 62.50 EUR" in shown(answer)


@pytest.mark.usefixtures("plans")
def test_the_most_that_can_be_asked_for_is_still_computed(client: Client) -> None:
    assert "10,000,000,000,199.00 EUR" in shown(client.get("/pricing/", {"use-calls": str(10**15)}))


@pytest.mark.usefixtures("plans")
def test_a_customer_starts_from_their_own_last_billing_period_and_from_nobody_elses(cast: Cast) -> None:
    version = make_plan("b-growth", fee="49", usage={"calls": SOFT})
    for tenant, quantity in ((cast.acme, 716), (cast.rival, 9999)):
        subscription = subscribe(tenant=tenant, plan_version=version, actor=STAFF, as_of=FEBRUARY)
        first_invoice(subscription)
        use(tenant, quantity, at=FEBRUARY + timedelta(days=3))
        close_month(subscription)
        use(tenant, 5, at=NOW - timedelta(days=1))

    answer = signed_in(cast.vera).get("/pricing/")
    page = shown(answer)

    assert field(answer) == "716"
    assert "what Acme used in its last billing period, 1" in page
    assert "B-Growth Your plan Lowest Fee 49.00 EUR + calls 18.72 EUR 67.72 EUR" in page
    assert "9,999" not in page


@pytest.mark.usefixtures("plans")
def test_a_customer_on_terms_that_are_no_longer_sold_sees_what_those_cost_beside_todays(cast: Cast) -> None:
    old = make_plan("old", fee="20", usage={"calls": PerUnit(Decimal("0.10"))})
    subscribe(tenant=cast.acme, plan_version=old, actor=STAFF, as_of=FEBRUARY)
    archive_plan(plan=old.plan, actor=STAFF, as_of=FEBRUARY)

    page = shown(signed_in(cast.alice).get("/pricing/", {"use-calls": "100"}))

    assert "Old Your plan Fee 20.00 EUR + calls 10.00 EUR 30.00 EUR" in page


@pytest.mark.usefixtures("plans")
def test_a_customer_without_usage_starts_as_a_visitor_does(cast: Cast) -> None:
    answer = signed_in(cast.alice).get("/pricing/")

    assert field(answer) == "600"
    assert "Enter what you expect to use" in shown(answer)


@pytest.mark.usefixtures("plans")
def test_with_a_script_only_the_amounts_come_back(client: Client) -> None:
    answer = client.get("/pricing/", {"use-calls": "3300"}, headers={"HX-Request": "true"})

    assert "<h1" not in answer.content.decode()
    assert "<form" not in answer.content.decode()
    assert "184.00 EUR" in shown(answer)


@pytest.mark.usefixtures("plans")
def test_marks_benefits_and_questions_of_the_seller_are_shown_as_text(client: Client, cast: Cast) -> None:
    growth = make_plan("b-growth", fee="49", usage={"calls": SOFT}).plan
    update_plan(plan=growth, changes={"mark": "Most chosen", "features": "<i>E-mail</i>"}, actor=STAFF, as_of=NOW)
    PricingQuestion.objects.create(
        question="<b>Why?</b>",
        answer="One.\n\nTwo: https://example.com/?a=1&b=2 <script>alert(1)</script> javascript:alert(1)",
    )
    PricingQuestion.objects.create(question="Hidden?", answer="Yes.", is_shown=False)

    page = client.get("/pricing/").content.decode()

    assert "Most chosen" in page
    assert "&lt;i&gt;E-mail&lt;/i&gt;" in page
    assert "&lt;b&gt;Why?&lt;/b&gt;" in page
    assert "<p>One.</p>" in page
    assert '<a href="https://example.com/?a=1&amp;b=2" rel="nofollow">' in page
    assert "<script>alert" not in page
    assert 'href="javascript' not in page
    assert "Hidden?" not in page


@pytest.mark.usefixtures("plans")
def test_of_several_tenants_the_one_whose_money_they_manage_is_estimated(cast: Cast) -> None:
    join(cast.vera, cast.rival, Role.ADMIN)
    use(cast.rival, 42, at=FEBRUARY + timedelta(days=3))

    assert field(signed_in(cast.vera).get("/pricing/")) == "42"
