"""`GET /plans`, `GET /subscription`, `POST /subscription/preview`: responses, permissions, and that they only read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.domain.api_key import KeyKind
from accounts.domain.plain import plain_instant
from accounts.domain.scopes import Scope
from accounts.models import Tenant
from accounts.selectors.tenants import forget_tenant
from billing.domain.prices import Flat, Graduated, Package, PerUnit, Tier, Volume
from billing.models import BillingException, Plan, PlanVersion, Subscription, TaxRate
from billing.services.catalog.plans import archive_plan, update_plan
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import QuotaTerms, ThrottleTerms, UsagePlanTerms
from metering.models import UsagePlan
from metering.services.usage_plans import update_usage_plan
from tests.billing.world import MARCH, STAFF, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.isolation.world import books_apart_from
from tests.metering.ledger_world import make_key, make_meter, make_tenant

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_march() -> Iterator[None]:
    forget_tenant("acme")
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def pro() -> PlanVersion:
    return make_plan("pro", fee={"EUR": "49", "JPY": "5000"})


@pytest.fixture
def subscription(pro: PlanVersion) -> Subscription:
    made = subscribe_tenant(plan=pro)
    first_invoice(made)
    return Subscription.objects.get(pk=made.pk)


@pytest.fixture
def team(pro: PlanVersion) -> PlanVersion:
    return make_plan("team", fee="199")


def client_of(tenant: Tenant | None, *scopes: Scope, kind: KeyKind = KeyKind.LIVE) -> APIClient:
    _, secret = make_key(tenant, kind=kind, scopes=list(scopes or (Scope.BILLING_READ,)))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def plans_for(tenant: Tenant) -> list[dict[str, Any]]:
    answer = client_of(tenant).get("/api/v1/plans")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["next"], body["previous"]) == (None, None)
    return list(body["data"])


def preview(client: APIClient, body: object) -> Any:
    return client.post("/api/v1/subscription/preview", body, format="json")


def refusal(answer: Any) -> tuple[int, str, list[tuple[str, str]]]:
    body = answer.json()
    errors = [(error["pointer"], error["code"]) for error in body.get("errors", [])]
    return answer.status_code, body["code"], errors


# Plans


def test_a_plan_has_its_costs_and_its_limits(pro: PlanVersion) -> None:
    make_meter("bytes", "http_request", unit="byte")
    terms = UsagePlanTerms(
        name="Pro",
        throttle_rate=50,
        throttle_burst=100,
        quotas=(
            QuotaTerms("calls", Decimal(100000), Period.MONTH, is_hard=False),
            QuotaTerms("bytes", Decimal("0.5"), Period.DAY, is_hard=True),
        ),
        throttles=(ThrottleTerms(5, 9, LimitScope.SUBJECT),),
    )
    update_usage_plan(usage_plan=UsagePlan.objects.get(code="pro"), terms=terms, actor=STAFF, as_of=MARCH)
    update_plan(plan=pro.plan, changes={"description": "For teams.\nAnd more."}, actor=STAFF, as_of=MARCH)
    [plan] = plans_for(make_tenant("acme"))
    assert plan == {
        "code": "pro",
        "name": "Pro",
        "description": "For teams.\nAnd more.",
        "version": 1,
        "trial_days": 0,
        "limits": {
            "throttle": {"rate": 50, "burst": 100},
            "throttles": [{"scope": "subject", "event_type": None, "rate": 5, "burst": 9}],
            "quotas": [
                {"meter": "bytes", "unit": "byte", "period": "day", "scope": "tenant", "limit": "0.5", "is_hard": True},
                {
                    "meter": "calls",
                    "unit": "calls",
                    "period": "month",
                    "scope": "tenant",
                    "limit": "100000",
                    "is_hard": False,
                },
            ],
        },
        "fee": {"amount_minor": 4900, "currency": "EUR"},
        "prices": [
            {"meter": "calls", "name": "calls", "unit": "calls", "model": "per_unit", "terms": {"unit_amount": "0.001"}}
        ],
    }


def test_every_price_model_has_its_terms() -> None:
    tiers = (Tier(Decimal(1000), Decimal(0)), Tier(None, Decimal("0.01"), Decimal(5)))
    models = {
        "flat": Flat(Decimal(9)),
        "graduated": Graduated(tiers),
        "package": Package(Decimal(1000), Decimal("2.5")),
        "per_unit": PerUnit(Decimal("0.000000000001")),
        "volume": Volume(tiers, charges_flat_at_zero=True),
    }
    for meter in models:
        make_meter(meter, "http_request")
    make_plan("all", usage=models)
    [plan] = plans_for(make_tenant("acme"))
    written = {
        "tiers": [
            {"up_to": "1000", "unit_amount": "0", "flat_amount": "0"},
            {"up_to": None, "unit_amount": "0.01", "flat_amount": "5"},
        ]
    }
    assert {price["model"]: price["terms"] for price in plan["prices"]} == {
        "flat": {"amount": "9"},
        "graduated": written,
        "package": {"package_size": "1000", "package_amount": "2.5"},
        "per_unit": {"unit_amount": "0.000000000001"},
        "volume": written | {"charge_flat_at_zero": True},
    }
    assert plan["limits"] == {"throttle": None, "throttles": [], "quotas": []}


def test_a_tenant_sees_the_newest_version_of_the_plans_for_sale_in_its_currency(
    pro: PlanVersion, team: PlanVersion
) -> None:
    make_plan("team", fee="299", trial_days=14)
    secret, old = make_plan("secret"), make_plan("old")
    Plan.objects.filter(pk=secret.plan_id).update(is_public=False)
    archive_plan(plan=old.plan, actor=STAFF, as_of=MARCH)
    euros = plans_for(make_tenant("acme"))
    assert [(plan["code"], plan["version"], plan["fee"]["amount_minor"]) for plan in euros] == [
        ("pro", 1, 4900),
        ("team", 2, 29900),
    ]
    assert euros[1]["trial_days"] == 14
    yen = plans_for(make_tenant("globex", currency="JPY"))
    assert [plan["fee"] for plan in yen] == [{"amount_minor": 5000, "currency": "JPY"}]
    assert plans_for(make_tenant("initech", currency="USD")) == []


def test_plans_come_in_the_order_of_the_pricing_page(pro: PlanVersion, team: PlanVersion) -> None:
    update_plan(plan=team.plan, changes={"position": 0}, actor=STAFF, as_of=MARCH)
    update_plan(plan=pro.plan, changes={"position": 1}, actor=STAFF, as_of=MARCH)
    assert [plan["code"] for plan in plans_for(make_tenant("acme"))] == ["team", "pro"]


def test_ten_plans_take_as_many_queries_as_one(pro: PlanVersion) -> None:
    client = client_of(make_tenant("acme"))
    client.get("/api/v1/plans")
    with CaptureQueriesContext(
        connection,
    ) as one:
        client.get("/api/v1/plans")
    for number in range(9):
        make_plan(f"plan-{number}")
    with CaptureQueriesContext(connection) as ten:
        assert len(client.get("/api/v1/plans").json()["data"]) == 10
    assert len(ten) == len(one)


# Subscription


def test_a_subscription_shows_its_present_and_its_coming_terms(subscription: Subscription, team: PlanVersion) -> None:
    TaxRate.objects.create(country="BE", name="VAT", percent=Decimal(21))
    Tenant.objects.update(country="BE")
    use(subscription.tenant, 15000, at=NOW - timedelta(hours=1))
    changed = change_plan(subscription=subscription, plan_version=team, when=When.PERIOD_END, actor=STAFF, as_of=NOW)
    body = client_of(subscription.tenant).get("/api/v1/subscription").json()
    invoice = body.pop("next_invoice")
    assert body == {
        "id": str(subscription.pk),
        "status": "active",
        "plan": {"code": "pro", "name": "Pro", "version": 1},
        "currency": "EUR",
        "time_zone": "UTC",
        "started_at": "2026-03-01T00:00:00Z",
        "anchor_at": "2026-03-01T00:00:00Z",
        "trial_ends_at": None,
        "period": {"start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"},
        "pending_plan": {"code": "team", "name": "Team", "version": 1},
        "cancel_at_period_end": False,
        "ended_at": None,
    }
    # 15,000 calls a day for the 374.5 hours that are left.
    assert [(line["kind"], line["amount_minor"]) for line in invoice["lines"]] == [
        ("usage", 24906),
        ("recurring", 19900),
    ]
    assert invoice["lines"][0]["quantity"] == "249063"
    [tax] = invoice["taxes"]
    assert (tax["name"], tax["percent"], tax["category"], tax["amount_minor"]) == ("VAT", "21", "S", 9409)
    assert invoice["lines"][0]["tax"]["rate"] == "21"
    assert invoice["total_minor"] == invoice["subtotal_minor"] + 9409
    assert (invoice["due_at"], invoice["currency"]) == ("2026-04-01T00:00:00Z", "EUR")
    assert changed.is_live


def test_a_projection_of_fractional_usage_is_fractional(subscription: Subscription) -> None:
    use(subscription.tenant, "1.5", at=NOW - timedelta(hours=1))
    invoice = client_of(subscription.tenant).get("/api/v1/subscription").json()["next_invoice"]
    assert invoice["lines"][0]["quantity"] == "24.90625"


def test_a_trial_and_a_cancellation_show(pro: PlanVersion) -> None:
    made = subscribe_tenant(plan=make_plan("trial", trial_days=30))
    cancel_subscription(subscription=made, when=When.PERIOD_END, actor=STAFF, as_of=NOW)
    body = client_of(made.tenant).get("/api/v1/subscription").json()
    assert (body["status"], body["trial_ends_at"]) == ("trialing", "2026-03-31T00:00:00Z")
    assert body["cancel_at_period_end"] is True
    assert (body["next_invoice"]["lines"], body["next_invoice"]["total_minor"]) == ([], 0)


def test_a_tenant_without_a_live_subscription_gets_404(subscription: Subscription) -> None:
    stranger = make_tenant("globex")
    assert refusal(client_of(stranger).get("/api/v1/subscription")) == (404, "not_found", [])
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=NOW)
    assert client_of(subscription.tenant).get("/api/v1/subscription").status_code == 404


def test_an_implausible_next_invoice_is_not_projected(subscription: Subscription, team: PlanVersion) -> None:
    use(subscription.tenant, "9" * 18, at=MARCH + timedelta(days=2))
    client = client_of(subscription.tenant)
    body = client.get("/api/v1/subscription").json()
    assert (body["status"], body["next_invoice"]) == ("active", None)
    assert refusal(preview(client, {"plan": "team"}))[:2] == (409, "unbillable")
    assert not BillingException.objects.exists()


# Preview


def test_a_preview_of_a_change_is_the_invoice_of_that_change(subscription: Subscription, team: PlanVersion) -> None:
    use(subscription.tenant, 15000, at=MARCH + timedelta(days=2))
    for at, when in (("period_end", When.PERIOD_END), ("now", When.NOW)):
        shown = preview(client_of(subscription.tenant), {"plan": "team", "at": at}).json()
        change_plan(subscription=subscription, plan_version=team, when=when, actor=STAFF, as_of=NOW)
    with time_machine.travel(APRIL, tick=False):
        invoice = close_month(subscription)
    lines = invoice.lines.filter(revision=invoice.revision).order_by("position")
    assert [(line["description"], line["amount_minor"], line["explanation"]) for line in shown["lines"]] == list(
        lines.values_list("description", "amount_minor", "explanation")
    )
    assert [line["kind"] for line in shown["lines"]] == ["usage", "usage", "proration", "proration", "recurring"]
    assert (shown["subtotal_minor"], shown["total_minor"]) == (invoice.subtotal_minor, invoice.total_minor)
    assert (shown["plan"]["code"], shown["at"]) == ("team", "2026-03-16T09:30:00Z")
    assert shown["due_at"] == "2026-04-01T00:00:00Z"


@pytest.mark.parametrize(
    "at", [None, "now", "period_end", "2026-03-20T00:00:00Z", 1774224000000, "2026-04-01T02:00:00+02:00"]
)
def test_a_preview_changes_nothing(subscription: Subscription, team: PlanVersion, at: object) -> None:
    client = client_of(subscription.tenant)
    stranger = make_tenant("globex")
    client.get("/api/v1/subscription")  # the key's last use is noted, now and then
    before = books_apart_from(stranger)
    answer = preview(client, {"plan": "team"} | ({} if at is None else {"at": at}))
    assert answer.status_code == 200, answer.json()
    client.get("/api/v1/subscription")
    client.get("/api/v1/plans")
    assert books_apart_from(stranger) == before


def test_a_change_at_the_end_of_the_period_leaves_the_running_one(
    subscription: Subscription, team: PlanVersion
) -> None:
    shown = preview(client_of(subscription.tenant), {"plan": "team", "at": "period_end"}).json()
    assert [(line["kind"], line["amount_minor"]) for line in shown["lines"]] == [("usage", 0), ("recurring", 19900)]
    assert shown["at"] == "2026-04-01T00:00:00Z"


def test_a_later_change_prorates_fewer_days(subscription: Subscription, team: PlanVersion) -> None:
    body = {"plan": "team", "at": "2026-03-31T12:00:00Z"}
    shown = preview(client_of(subscription.tenant), body).json()
    assert [line["description"] for line in shown["lines"] if line["kind"] == "proration"] == [
        "Unused time on Pro (1 of 31 days)",
        "Remaining time on Team (1 of 31 days)",
    ]


@pytest.mark.parametrize("at", ["now", "period_end"])
def test_a_preview_of_a_cancellation_is_the_invoice_of_it(subscription: Subscription, at: str) -> None:
    client = client_of(subscription.tenant)
    shown = preview(client, {"plan": None, "at": at}).json()
    cancel_subscription(subscription=subscription, when=When(at), actor=STAFF, as_of=NOW)
    last = close_month(subscription)
    lines = last.lines.filter(revision=last.revision).order_by("position")
    assert (shown["plan"], shown["at"]) == (None, plain_instant(subscription.period_end))
    assert (shown["total_minor"], shown["subtotal_minor"]) == (last.total_minor, last.subtotal_minor)
    assert [line["amount_minor"] for line in shown["lines"]] == list(lines.values_list("amount_minor", flat=True))
    assert refusal(preview(client, {"plan": None}))[:2] == (404, "not_found")


def test_a_trial_ends_without_an_invoice_to_preview() -> None:
    trial = subscribe_tenant(plan=make_plan("trial", trial_days=14), as_of=NOW)
    assert refusal(preview(client_of(trial.tenant), {"plan": None}))[:2] == (409, "subscription_status")


@pytest.mark.parametrize("at", ["now", "period_end"])
def test_keeping_the_plan_is_previewed_too_and_undoes_a_pending_change(
    subscription: Subscription, team: PlanVersion, at: str
) -> None:
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=NOW)
    shown = preview(client_of(subscription.tenant), {"plan": "pro", "at": at}).json()
    assert [(line["kind"], line["amount_minor"]) for line in shown["lines"]] == [("usage", 0), ("recurring", 4900)]


def test_ones_own_plan_can_be_previewed_although_it_is_no_longer_sold(
    subscription: Subscription, team: PlanVersion
) -> None:
    archive_plan(plan=subscription.plan_version.plan, actor=STAFF, as_of=NOW)
    client = client_of(subscription.tenant)
    assert preview(client, {"plan": "pro"}).json()["plan"] == {"code": "pro", "name": "Pro", "version": 1}
    assert refusal(preview(client_of(make_tenant("globex")), {"plan": "pro"}))[:2] == (422, "unknown_plan")


def test_without_a_subscription_the_preview_is_the_first_invoice(team: PlanVersion) -> None:
    make_plan("trial", fee="20", trial_days=14)
    client = client_of(make_tenant("acme", time_zone="Asia/Kolkata"))
    shown = preview(client, {"plan": "team"}).json()
    assert [(line["kind"], line["amount_minor"]) for line in shown["lines"]] == [("recurring", 19900)]
    assert shown["period"] == {"start": "2026-03-15T18:30:00Z", "end": "2026-04-15T18:30:00Z"}
    later = preview(client, {"plan": "trial", "at": "2026-03-20T00:00:00Z"}).json()
    assert (later["due_at"], later["at"]) == ("2026-04-02T18:30:00Z", "2026-03-20T00:00:00Z")
    make_plan("dollars", fee={"USD": "49"})
    assert refusal(preview(client, {"plan": "dollars"})) == (422, "currency_not_offered", [])
    period_end = preview(client, {"plan": "team", "at": "period_end"})
    assert refusal(period_end) == (422, "invalid_fields", [("/at", "no_period")])
    too_late = preview(client, {"plan": "team", "at": "2027-04-01T00:00:00Z"})
    assert refusal(too_late) == (422, "invalid_fields", [("/at", "too_late")])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"plan": "nothing"}, (422, "unknown_plan", [])),
        ({"plan": "x" * 51}, (422, "invalid_fields", [("/plan", "max_length")])),
        ({"plan": "\u2028\ufeff"}, (422, "unknown_plan", [])),
        ({"plan": "dollars"}, (422, "currency_not_offered", [])),
        ({}, (400, "malformed_body", [("/plan", "required")])),
        ({"plan": 1}, (400, "malformed_body", [("/plan", "invalid_type")])),
        ({"plan": "team", "when": "now"}, (400, "malformed_body", [("/when", "unknown_field")])),
        ({"plan": "team", "at": "then"}, (422, "invalid_fields", [("/at", "invalid_time")])),
        ({"plan": "team", "at": "2026-03-20"}, (422, "invalid_fields", [("/at", "invalid_time")])),
        ({"plan": "team", "at": "2026-03-20T00:00:00"}, (422, "invalid_fields", [("/at", "invalid_time")])),
        ({"plan": "team", "at": True}, (400, "malformed_body", [("/at", "invalid_type")])),
        ({"plan": "team", "at": []}, (400, "malformed_body", [("/at", "invalid_type")])),
        ({"plan": "team", "at": None}, (400, "malformed_body", [("/at", "null")])),
        ({"plan": "team", "at": "2026-03-16T09:29:59Z"}, (422, "invalid_fields", [("/at", "in_the_past")])),
        ({"plan": "team", "at": 0}, (422, "invalid_fields", [("/at", "in_the_past")])),
        ({"plan": "team", "at": "2026-04-01T00:00:01Z"}, (422, "invalid_fields", [("/at", "too_late")])),
        ({"plan": "team", "at": "9999-12-31T23:59:59Z"}, (422, "invalid_fields", [("/at", "too_late")])),
        ([], (400, "malformed_body", [])),
    ],
)  # fmt: skip
def test_an_invalid_preview_is_refused_with_a_pointer(
    subscription: Subscription, team: PlanVersion, body: object, expected: tuple[int, str, list[tuple[str, str]]]
) -> None:
    make_plan("dollars", fee={"USD": "49"})
    assert refusal(preview(client_of(subscription.tenant), body)) == expected


def test_a_boundary_that_has_passed_is_invoiced_before_a_preview(subscription: Subscription, team: PlanVersion) -> None:
    with time_machine.travel(APRIL + timedelta(minutes=1), tick=False):
        client = client_of(subscription.tenant)
        assert refusal(preview(client, {"plan": "team"})) == (409, "subscription_changed", [])
        assert client.get("/api/v1/subscription").status_code == 200


# Whose


@pytest.mark.parametrize(
    ("method", "path"), [("get", "plans"), ("get", "subscription"), ("post", "subscription/preview")]
)
def test_a_key_with_another_scope_cannot_read_plans_or_subscriptions(
    subscription: Subscription, method: str, path: str
) -> None:
    client = client_of(subscription.tenant, Scope.USAGE_READ, Scope.EVENTS_WRITE)
    answer = getattr(client, method)(f"/api/v1/{path}", {"plan": "pro"} if method == "post" else None, format="json")
    assert refusal(answer)[:2] == (403, "scope_missing")


def test_a_service_key_names_the_tenant(subscription: Subscription, team: PlanVersion) -> None:
    service = client_of(None, Scope.BILLING_READ, kind=KeyKind.SERVICE)
    assert service.get("/api/v1/subscription", {"tenant": "acme"}).json()["id"] == str(subscription.pk)
    assert len(service.get("/api/v1/plans", headers={"X-Tenant": "acme"}).json()["data"]) == 2
    assert preview(service, {"plan": "team", "tenant": "acme"}).json()["plan"]["code"] == "team"
    assert refusal(service.get("/api/v1/subscription"))[:2] == (422, "tenant_missing")


def test_a_key_gets_its_own_tenant_whatever_it_names(subscription: Subscription, team: PlanVersion) -> None:
    client = client_of(make_tenant("globex"))
    shown = preview(client, {"plan": "team", "tenant": "acme"}).json()
    assert [line["kind"] for line in shown["lines"]] == ["recurring"]
    assert client.get("/api/v1/subscription", {"tenant": "acme"}).status_code == 404
