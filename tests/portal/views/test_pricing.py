"""The price list: its content, its currency, and its links."""

import re
from collections.abc import Callable
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from accounts.domain.roles import Role
from accounts.models import Tenant
from billing.domain.prices import Flat, Graduated, Package, PerUnit, Tier, Volume
from billing.selectors.catalog.plans import plans_for_sale
from billing.services.catalog.plans import archive_plan, update_plan
from metering.models import Meter, UsagePlan, UsagePlanQuota
from portal.price_list import ALL_AT_REACHED_STEP, EACH_ITS_STEP, MeterPrice, PriceStep, costs_nothing, offers_of
from tests.billing.world import STAFF, make_plan
from tests.metering.ledger_world import make_meter
from tests.portal.conftest import NOW, Cast, join, make_user, signed_in


def shown(answer: object) -> str:
    """Return a page as its reader sees it: without tags, and with single blanks."""
    text = unescape(re.sub(r"<[^>]+>", " ", answer.content.decode()))  # type: ignore[attr-defined]
    return " ".join(text.split())


@pytest.fixture
def plans(db: None) -> None:
    make_plan("free", fee={"EUR": "0", "USD": "0"}, usage={})
    make_plan("pro", fee={"EUR": "49", "USD": "55.50"}, trial_days=14)
    make_plan("local", fee={"CHF": "10"}, usage={})


@pytest.mark.usefixtures("plans")
def test_a_stranger_sees_every_plan_of_a_currency_with_fee_trial_and_usage(client: Client) -> None:
    page = shown(client.get("/pricing/"))

    assert "0 EUR a month" in page
    assert "49 EUR a month 14 days free" in page
    assert "1.00 EUR per 1,000 call" in page
    assert "Local" not in page


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize(("asked", "fee"), [("USD", "55.50 USD"), ("chf", "10 CHF"), ("XXX", "49 EUR"), ("", "49 EUR")])
def test_the_chosen_currency_is_shown_if_a_plan_is_sold_in_it(client: Client, asked: str, fee: str) -> None:
    assert f"{fee} a month" in shown(client.get(f"/pricing/?currency={asked}"))


@pytest.mark.usefixtures("plans")
def test_a_members_own_currency_comes_first(cast: Cast, alice: Client) -> None:
    Tenant.objects.filter(pk=cast.acme.pk).update(currency="USD")

    assert "55.50 USD a month" in shown(alice.get("/pricing/"))


def test_a_plan_that_is_archived_hidden_or_without_a_version_is_not_shown(client: Client, db: None) -> None:
    archive_plan(plan=make_plan("old").plan, actor=STAFF, as_of=NOW)
    update_plan(plan=make_plan("secret").plan, changes={"is_public": False}, actor=STAFF, as_of=NOW)

    page = shown(client.get("/pricing/"))

    assert "No plans for sale" in page
    assert "Old" not in page
    assert client.get("/pricing/secret/").status_code == 404


def test_the_price_list_takes_the_same_queries_for_two_plans_and_for_eight(
    db: None, client: Client, query_count: Callable[[Client, str], int]
) -> None:
    for number in range(2):
        make_plan(f"plan-{number}")
    for_two = query_count(client, "/pricing/")
    for number in range(2, 8):
        make_plan(f"plan-{number}")

    assert query_count(client, "/pricing/") == for_two


@pytest.mark.usefixtures("plans")
def test_a_stranger_who_chooses_a_plan_signs_up_and_comes_back(client: Client) -> None:
    answer = client.get("/pricing/pro/")

    assert answer["Location"] == "/accounts/signup/?next=%2Fpricing%2Fpro%2F"


@pytest.mark.usefixtures("plans")
def test_a_user_without_an_organisation_names_one_and_continues_with_the_plan(db: None) -> None:
    erin = signed_in(make_user("erin@example.com"))

    assert erin.get("/pricing/pro/")["Location"] == "/start/"
    answer = erin.post("/start/", {"name": "Erin's", "time_zone": "UTC"})

    assert re.fullmatch(r"/t/[a-z0-9-]+/plan/choose/\?plan=pro", answer["Location"])
    assert erin.post("/start/", {"name": "Another", "time_zone": "UTC"})["Location"].endswith("/first-steps/")


@pytest.mark.usefixtures("plans")
def test_a_member_of_several_tenants_goes_to_the_one_whose_money_they_manage(cast: Cast) -> None:
    join(cast.vera, cast.rival, Role.ADMIN)

    assert signed_in(cast.vera).get("/pricing/pro/")["Location"] == "/t/rival/plan/choose/?plan=pro"


def test_each_price_model_is_described_in_words(db: None) -> None:
    for code, unit in (
        ("a", "requests"),
        ("b", "bytes"),
        ("c", "queries"),
        ("d", "GB"),
        ("e", "boxes"),
        ("f", "tokens"),
    ):
        make_meter(code, "http_request", unit=unit)
    tiers = (
        Tier(Decimal(1000), Decimal(0)),
        Tier(Decimal(5000), Decimal("0.004"), Decimal(2)),
        Tier(None, Decimal("0.02")),
    )
    make_plan(
        usage={
            "a": Graduated(tiers),
            "b": Package(Decimal(1_000_000), Decimal("0.9")),
            "c": PerUnit(Decimal("0.5")),
            "d": Flat(Decimal(3)),
            "e": Package(Decimal(1), Decimal(2)),
            "f": Volume((Tier(None, Decimal("0.000000000001")),)),
        }
    )

    [offer] = offers_of(plans_for_sale(), "EUR")

    assert [plain(price) for price in offer.meters] == [
        MeterPrice(
            "a",
            note=EACH_ITS_STEP,
            steps=(
                PriceStep("Up to 1,000", "Included"),
                PriceStep("1,000 to 5,000", "2.00 EUR + 4.00 EUR per 1,000 requests"),
                PriceStep("Above 5,000", "0.02 EUR per request"),
            ),
        ),
        MeterPrice("b", "0.90 EUR per 1,000,000 bytes, begun or full"),
        MeterPrice("c", "0.50 EUR per query"),
        MeterPrice("d", "3.00 EUR in a period with usage"),
        MeterPrice("e", "2.00 EUR per box"),
        MeterPrice(
            "f", note=ALL_AT_REACHED_STEP, steps=(PriceStep("All tokens", "0.001 EUR per 1,000,000,000 tokens"),)
        ),
    ]


def test_a_tier_that_costs_only_once_it_is_reached_says_so(db: None) -> None:
    make_meter("seats", "http_request", unit="addresses")
    make_plan(usage={"seats": Volume((Tier(Decimal(10), Decimal(0), Decimal(5)), Tier(None, Decimal(1))))})

    [offer] = offers_of(plans_for_sale(), "EUR")

    assert plain(offer.meters[0]).steps == (
        PriceStep("Up to 10", "5.00 EUR"),
        PriceStep("Above 10", "1.00 EUR per address"),
    )


@pytest.mark.parametrize(("model", "note"), [(Graduated, EACH_ITS_STEP), (Volume, ALL_AT_REACHED_STEP)])
def test_a_tier_that_is_charged_without_usage_says_so(db: None, model: type[Graduated | Volume], note: str) -> None:
    make_meter("seats", "http_request", unit="addresses")
    tiers = (Tier(Decimal(10), Decimal(0), Decimal(5)), Tier(None, Decimal(1)))
    make_plan(usage={"seats": model(tiers, charges_flat_at_zero=True)})
    make_plan("none", usage={"seats": model((Tier(None, Decimal(1)),), charges_flat_at_zero=True)})

    without, charged = offers_of(plans_for_sale(), "EUR")

    assert plain(charged.meters[0]).note == f"{note} 5.00 EUR is charged in a period without usage, too."
    assert plain(without.meters[0]).note == note


def test_the_limits_that_come_with_a_plan_are_listed(db: None) -> None:
    make_plan(usage={})
    usage_plan = UsagePlan.objects.get(code="pro")
    UsagePlan.objects.filter(pk=usage_plan.pk).update(throttle_rate=50, throttle_burst=2000)
    requests = Meter.objects.get(code="api_requests")
    for period, limit, is_hard in (("day", 100, False), ("month", 10_000, True)):
        UsagePlanQuota.objects.create(
            usage_plan=usage_plan, meter=requests, period=period, limit=limit, is_hard=is_hard
        )

    [offer] = offers_of(plans_for_sale(), "EUR")

    assert offer.limits == (
        "100 requests a day; more is allowed",
        "10,000 requests a month at most",
        "50 requests a second, 2,000 at once",
    )


@pytest.mark.parametrize(
    ("fee", "usage", "is_free"),
    [
        ("0", {}, True),
        ("0", {"calls": PerUnit(Decimal(0))}, True),
        ("0", {"calls": Graduated((Tier(Decimal(5), Decimal(0)), Tier(None, Decimal(0))))}, True),
        ("0.01", {}, False),
        ("0", {"calls": PerUnit(Decimal("0.000000000001"))}, False),
        ("0", {"calls": Package(Decimal(5), Decimal(1))}, False),
        ("0", {"calls": Flat(Decimal(1))}, False),
        ("0", {"calls": Volume((Tier(None, Decimal(0), Decimal(1)),))}, False),
    ],
)
def test_a_plan_is_called_free_only_if_no_use_of_it_can_cost_anything(
    db: None, fee: str, usage: dict[str, object], is_free: bool
) -> None:
    make_meter("calls", "http_request")
    make_plan(fee=fee, usage=usage)  # type: ignore[arg-type]
    [version] = plans_for_sale()

    assert costs_nothing(version, "EUR") is is_free
    assert not costs_nothing(version, "USD"), "what is not sold is not free"


def plain(price: MeterPrice) -> MeterPrice:
    """Replace non-breaking blanks by ordinary ones."""

    def words(text: str) -> str:
        return text.replace("\N{NO-BREAK SPACE}", " ")

    return MeterPrice(
        price.name,
        words(price.line),
        words(price.note),
        tuple(PriceStep(step.reach, words(step.price)) for step in price.steps),
    )
