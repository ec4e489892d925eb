"""Plans in the admin: a version is entered in a form, rated by the real rating, and published once."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.domain.prices import Graduated, Package, Tier, Volume
from billing.models import Issuer, Plan, PlanVersion
from billing.selectors.catalog.plans import sold_versions
from metering.models import Meter, UsagePlan
from tests.billing.admin.desk import act, latest_entry, listed, page, said, sold
from tests.billing.world import make_plan

pytestmark = pytest.mark.django_db

EURO_PAGE = "/admin/billing/plan/add/"


@pytest.fixture
def plan() -> Plan:
    found: Plan = make_plan().plan
    return found


def version_form(plan: Plan, **changes: str) -> dict[str, str]:
    """Return what the page sends: 99 EUR, calls graduated."""
    meter = Meter.objects.get(code="calls").pk
    given = {
        "usage_plan": str(UsagePlan.objects.get(code="pro").pk), "trial_days": "14", "units": "15000",
        "currencies": "EUR",
        "expected_number": str(plan.versions.count() + 1), "fee_EUR": "99", f"model_EUR_{meter}": "graduated",
        f"tiers_EUR_{meter}": "10000 0.002\nmore 0.001 5",
    }  # fmt: skip
    return given | {name.replace("calls", str(meter)): value for name, value in changes.items()}


def publish(client: Client, plan: Plan, given: dict[str, str]) -> Any:
    return client.post(page(plan, "publish"), given | {"publish": ""})


def test_the_form_of_a_version_begins_with_the_prices_sold_now(as_bo: Client, plan: Plan) -> None:
    form = as_bo.get(page(plan, "publish")).context["form"]
    meter = Meter.objects.get(code="calls").pk
    assert (form["fee_EUR"].value(), form[f"model_EUR_{meter}"].value(), form[f"amount_EUR_{meter}"].value()) == (
        "49",
        "per_unit",
        "0.001",
    )
    form = as_bo.get(page(plan, "publish"), {"currencies": "eur, jpy"}).context["form"]
    assert [block.currency for block in form.blocks()] == ["EUR", "JPY"]


def test_example_costs_of_a_version_are_shown_before_it_is_published(as_bo: Client, plan: Plan) -> None:
    response = as_bo.post(page(plan, "publish"), version_form(plan) | {"check": ""})
    (example,) = response.context["examples"]
    # 15,000: 10,000 x 0.002 + 5,000 x 0.001 + 5 once = 30.00; 1,500: 3.00; 150,000: 20 + 140 + 5 = 165.00.
    assert example.rows[1].amounts == [
        f"{amount}\N{NO-BREAK SPACE}EUR" for amount in ("0.00", "3.00", "30.00", "165.00")
    ]
    assert example.totals == [f"{amount}\N{NO-BREAK SPACE}EUR" for amount in ("99.00", "102.00", "129.00", "264.00")]
    assert 'name="publish"' in response.content.decode()
    assert plan.versions.count() == 1


def test_a_version_is_published_with_its_tiers_and_audited(as_bo: Client, plan: Plan) -> None:
    response = publish(as_bo, plan, version_form(plan))
    assert "Pro v2 is sold from now on." in said(response)
    version = sold_versions([PlanVersion.objects.get(plan=plan, number=2).pk]).popitem()[1]
    (usage,) = version.usage_prices("EUR")
    assert usage.terms == Graduated((Tier(Decimal(10000), Decimal("0.002")), Tier(None, Decimal("0.001"), Decimal(5))))
    assert version.trial_days == 14
    entry = latest_entry()
    assert (entry.action, entry.actor_label) == ("plan.version_published", "bo@example.org")


def test_the_first_tiers_amount_without_usage_is_a_choice(as_bo: Client, plan: Plan) -> None:
    chosen = version_form(plan, tiers_EUR_calls="more 0.001 5", at_zero_EUR_calls="on")
    (example,) = as_bo.post(page(plan, "publish"), chosen | {"check": ""}).context["examples"]
    assert example.rows[1].amounts[0] == "5.00\N{NO-BREAK SPACE}EUR"
    publish(as_bo, plan, chosen)
    version = PlanVersion.objects.get(plan=plan, number=2)
    (usage,) = sold_versions([version.pk])[version.pk].usage_prices("EUR")
    assert usage.terms == Graduated((Tier(None, Decimal("0.001"), Decimal(5)),), charges_flat_at_zero=True)
    form = as_bo.get(page(plan, "publish")).context["form"]
    assert form[f"at_zero_EUR_{Meter.objects.get(code='calls').pk}"].value() is True
    assert "without usage: 5 once" in as_bo.get(page(version)).content.decode()


def test_two_members_of_staff_who_publish_one_form_publish_one_version(
    as_bo: Client, as_robin: Client, plan: Plan
) -> None:
    given = version_form(plan)
    publish(as_bo, plan, given)
    assert "was published meanwhile" in said(publish(as_robin, plan, given))
    assert plan.versions.count() == 2


def test_the_form_reads_every_price_model(as_bo: Client, plan: Plan) -> None:
    publish(as_bo, plan, version_form(plan, model_EUR_calls="package", amount_EUR_calls="2.5", size_EUR_calls="1000"))
    publish(as_bo, plan, version_form(plan, model_EUR_calls="volume"))
    publish(as_bo, plan, version_form(plan, model_EUR_calls=""))
    numbers = PlanVersion.objects.filter(plan=plan).values_list("number", "pk")
    terms = {number: [price.terms for price in sold_versions([pk])[pk].usage_prices("EUR")] for number, pk in numbers}
    assert terms[2] == [Package(Decimal(1000), Decimal("2.5"))]
    assert isinstance(terms[3][0], Volume)
    assert terms[4] == []


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"fee_EUR": "9.999"}, "fee_EUR", "More digits than the currency has."),
        ({"fee_EUR": "1,5"}, "fee_EUR", "A decimal in text"),
        ({"fee_EUR": ""}, "fee_EUR", "This field is required."),
        ({"tiers_EUR_calls": "10000 0.002\nmore x"}, "tiers_EUR_calls", "Line 2: A decimal in text"),
        ({"tiers_EUR_calls": "10000 0.002"}, "tiers_EUR_calls", "Line 1: The last tier has no end"),
        ({"tiers_EUR_calls": "100 1\n50 1\nmore 1"}, "tiers_EUR_calls", "Line 2: Each tier ends above"),
        ({"tiers_EUR_calls": "100\nmore 1"}, "tiers_EUR_calls", "Line 1: enter the upper limit"),
        ({"tiers_EUR_calls": ""}, "tiers_EUR_calls", "A list of 1 to 50 tiers."),
        ({"model_EUR_calls": "package", "amount_EUR_calls": "1", "size_EUR_calls": "0"}, "size_EUR_calls", "above 0"),
        ({"model_EUR_calls": "per_unit", "amount_EUR_calls": "-1"}, "amount_EUR_calls", "A decimal in text"),
        ({"trial_days": "731"}, "trial_days", "less than or equal to 730"),
        ({"units": "Infinity"}, "units", "Enter a number."),
        ({"usage_plan": "999999"}, "usage_plan", "Select a valid choice"),
        ({"currencies": "XXX", "fee_XXX": "1"}, None, "A currency of ISO 4217"),
    ],
)
def test_a_price_that_cannot_be_sold_is_refused_at_its_field(
    as_bo: Client, plan: Plan, changes: dict[str, str], field: str | None, sentence: str
) -> None:
    response = publish(as_bo, plan, version_form(plan, **changes))
    assert response.status_code == 200
    errors = response.context["form"].errors
    name = field.replace("calls", str(Meter.objects.get(code="calls").pk)) if field else None
    found = errors.get(name, []) if name else [text for texts in errors.values() for text in texts]
    assert any(sentence in text for text in found), errors
    assert plan.versions.count() == 1


def test_a_plan_is_created_changed_and_archived_by_the_services(as_bo: Client, plan: Plan) -> None:
    inline = {"versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0"}
    given = {"code": "team", "name": "Team", "description": "", "is_public": "on", "position": "2"} | inline
    assert as_bo.post(EURO_PAGE, given).status_code == 302
    team = Plan.objects.get(code="team")
    assert latest_entry().action == "plan.created"
    as_bo.post(page(team), given | {"name": "Teams"})
    team.refresh_from_db()
    assert team.name == "Teams"
    assert latest_entry().action == "plan.updated"
    assert "already" in as_bo.post(EURO_PAGE, given).content.decode()
    assert "leaves the pricing page" in as_bo.get(page(team, "archive")).content.decode()
    assert "is sold no longer" in act(as_bo, team, "archive")
    assert "Not possible now" in said(as_bo.get(page(team, "archive")))
    assert "archived" in said(as_bo.get(page(team, "publish")))


def test_a_version_shows_its_prices_in_words_and_who_is_on_it(as_pat: Client) -> None:
    version = make_plan()
    sold(plan=version)
    response = as_pat.get(page(version), {"units": "2000"})
    text = response.content.decode()
    assert "0.001 per calls" in text
    assert "1 subscription goes on with this version" in text
    assert response.context["examples"][0].quantities == ["0", "200", "2,000", "20,000"]
    for nonsense in ("x", "NaN", "-1", "1e999"):
        assert as_pat.get(page(version), {"units": nonsense}).context["examples"][0].quantities[2] == "100,000"


@pytest.mark.parametrize("model", [Plan, PlanVersion])
def test_the_lists_of_plans_take_as_many_queries_whatever_their_length(
    as_pat: Client, model: type[Any], django_assert_num_queries: Any
) -> None:
    make_plan()
    as_pat.get(listed(model))
    with CaptureQueriesContext(connection) as few:
        as_pat.get(listed(model))
    for number in range(4):
        make_plan(f"more-{number}")
    with django_assert_num_queries(len(few)):
        as_pat.get(listed(model))


def test_staff_who_only_read_cannot_change_plans(as_kim: Client, as_pat: Client, plan: Plan) -> None:
    for client in (as_kim, as_pat):
        assert client.get(page(plan)).status_code == 200
        assert client.post(EURO_PAGE, {"code": "x", "name": "X"}).status_code == 403
        assert publish(client, plan, version_form(plan)).status_code == 403
        assert client.post(page(plan, "archive")).status_code == 403
    assert plan.versions.count() == 1


def issuer_form(**changes: str) -> dict[str, str]:
    given = {
        "legal_name": "Countinghouse GmbH", "country": "DE", "unverified_tax_ids": "mark",
        "fee_refund": "by_day",
        "time_zone": "Europe/Berlin", "invoice_prefix": "RE",
        "credit_note_prefix": "GS", "payment_days": "14", "grace_minutes": "60",
    }  # fmt: skip
    return given | changes


def test_the_issuer_is_changed_with_an_entry(as_bo: Client) -> None:
    issuer = Issuer.objects.get()
    assert "The next invoice will be INV-" in as_bo.get(page(issuer)).content.decode()
    assert as_bo.post(page(issuer), issuer_form()).status_code == 302
    assert latest_entry().action == "issuer.updated"
    assert "The next invoice will be RE-" in as_bo.get(page(issuer)).content.decode()
    assert as_bo.get("/admin/billing/issuer/add/").status_code == 403


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"time_zone": "Mars/Olympus"}, "A time zone of the IANA list"),
        ({"invoice_prefix": "re 1"}, "Capitals, digits and hyphens"),
        ({"credit_note_prefix": "RE"}, "a prefix of their own"),
        ({"country": "Germany"}, "at most 2 characters"),
    ],
)
def test_an_issuer_that_could_issue_nothing_is_refused(as_bo: Client, changes: dict[str, str], sentence: str) -> None:
    assert sentence in as_bo.post(page(Issuer.objects.get()), issuer_form(**changes)).content.decode()
    assert Issuer.objects.get().time_zone == "UTC"
