"""Each type of event through every path that writes it: one shape, that of the API and docs/webhook-events.md."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.plain import to_plain
from accounts.domain.roles import Role
from accounts.domain.scopes import Scope
from accounts.keys.domain import happenings as happenings_of_keys
from accounts.keys.services.api_keys import KeyTerms, create_api_key, revoke_all_keys, revoke_api_key, rotate_api_key
from accounts.models import Tenant
from accounts.notices.models import OutboxEvent
from accounts.webhooks.domain import happenings as happenings_of_webhooks
from accounts.webhooks.domain.event_types import EVENT_TYPES
from billing.collection.services.agreements import apply_agreement
from billing.domain import happenings as happenings_of_billing
from billing.models import PlanVersion, Subscription
from billing.services.invoicing.finalizing import finalize_now
from billing.services.invoicing.payments import record_failed_payment, record_manual_payment, record_payment
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan, undo_pending
from billing.services.subscriptions.standing import refresh_standing
from metering.alerts.domain import alerts as happenings_of_alerts
from metering.alerts.services.anomalies import find_anomalies
from metering.alerts.services.crossings import predict_crossings
from metering.alerts.services.monitoring import monitor_thresholds
from metering.models import Meter
from tests.billing.collection.services.test_agreements import agreed, ended
from tests.billing.world import (
    MARCH,
    STAFF,
    close_month,
    finalized_invoices,
    first_invoice,
    make_plan,
    subscribe_tenant,
)
from tests.metering.alerts.alert_world import customer, join, quota
from tests.metering.alerts.alert_world import use as use_tokens
from tests.metering.alerts.anomaly_world import HOUR, steady_hours, store_hours
from tests.metering.alerts.crossing_world import MID_MONTH, steady_days
from tests.metering.ledger_world import make_key, make_tenant

PAGE = Path(__file__).resolve().parents[2] / "docs/webhook-events.md"
MID_MARCH = MARCH + timedelta(days=14)
Body = dict[str, Any]

pytestmark = pytest.mark.django_db


def told() -> dict[str, list[Body]]:
    """Return every body in the outbox by its type, in the order in which they were written."""
    found: dict[str, list[Body]] = defaultdict(list)
    for event in OutboxEvent.objects.order_by("occurred_at", "pk"):
        found[event.type].append(event.payload)
    return found


def names_in(body: Body, prefix: str = "") -> Iterator[str]:
    """Return the names of all fields. Nested ones have a dot."""
    for name, value in body.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from names_in(value, f"{prefix}{name}.")


def assert_one_shape(bodies: list[Body]) -> None:
    """Check that all bodies have the same names, also inside of nested fields."""
    for body in bodies:
        assert body.keys() == bodies[0].keys()
        for name, value in body.items():
            others = [other[name] for other in bodies if isinstance(other[name], dict)]
            assert isinstance(value, dict) == bool(others) or value is None, name
            if isinstance(value, dict):
                assert all(value.keys() == other.keys() for other in others), name


def client_of(tenant: Tenant) -> APIClient:
    _, secret = make_key(tenant, kind=KeyKind.LIVE, scopes=[Scope.BILLING_READ, Scope.KEYS_MANAGE])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


# Subscriptions


@pytest.fixture
def pro() -> PlanVersion:
    return make_plan()


@pytest.fixture
def big() -> PlanVersion:
    return make_plan("big", fee="199")


def live(slug: str, plan: PlanVersion) -> Subscription:
    subscription = subscribe_tenant(slug, plan=plan)
    first_invoice(subscription)
    return subscription


def a_member_changes_the_plan(plan: PlanVersion, other: PlanVersion) -> Subscription:
    subscription = live("member", plan)
    owner = join(subscription.tenant, "owner@member.example", Role.OWNER)
    actor = Actor.member(user_id=owner.user_id, label=owner.user.email, role=Role.OWNER)
    change_plan(subscription=subscription, plan_version=other, when=When.NOW, actor=actor, as_of=MID_MARCH)
    return subscription


def staff_leave_it_to_the_close_of_the_month(plan: PlanVersion, other: PlanVersion) -> Subscription:
    subscription = live("staff", plan)
    change_plan(subscription=subscription, plan_version=other, when=When.PERIOD_END, actor=STAFF, as_of=MID_MARCH)
    close_month(subscription)
    return subscription


def what_waited_is_taken_back(plan: PlanVersion, _: PlanVersion) -> Subscription:
    subscription = live("undone", plan)
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=MID_MARCH)
    undo_pending(subscription=subscription, actor=STAFF, as_of=MID_MARCH + timedelta(hours=1))
    return subscription


def an_invoice_is_not_paid(plan: PlanVersion, _: PlanVersion) -> Subscription:
    subscription = live("late", plan)
    refresh_standing(subscription_id=subscription.pk, as_of=MARCH + timedelta(days=27))
    return subscription


def the_provider_says_that_it_ends(plan: PlanVersion, _: PlanVersion) -> Subscription:
    tenant = make_tenant("stripe", billing_email="bills@stripe.example")
    apply_agreement(provider="stripe", agreement=agreed(version=plan), tenant=tenant, as_of=MARCH)
    subscription = Subscription.objects.select_related("tenant").get(tenant=tenant)
    first_invoice(subscription)
    apply_agreement(
        provider="stripe",
        agreement=agreed(version=plan, is_cancelled_at_period_end=True),
        tenant=tenant,
        as_of=MID_MARCH,
    )
    return subscription


UPDATES = (
    a_member_changes_the_plan,
    staff_leave_it_to_the_close_of_the_month,
    what_waited_is_taken_back,
    an_invoice_is_not_paid,
    the_provider_says_that_it_ends,
)


def test_events_of_subscriptions_have_one_shape_which_is_the_apis(pro: PlanVersion, big: PlanVersion) -> None:
    for update in UPDATES:
        subscription = update(pro, big)
        last = OutboxEvent.objects.filter(tenant=subscription.tenant, type="subscription.updated").first()
        assert last is not None, update.__name__
        shown = client_of(subscription.tenant).get("/api/v1/subscription").json()
        assert last.payload == {name: value for name, value in shown.items() if name != "next_invoice"}
    bodies = told()
    assert len(bodies["subscription.created"]) == len(UPDATES)
    assert_one_shape(bodies["subscription.created"] + bodies["subscription.updated"])


def test_events_of_an_end_have_one_shape_whatever_causes_it(pro: PlanVersion) -> None:
    now, later = live("now", pro), live("later", pro)
    cancel_subscription(subscription=now, when=When.NOW, actor=STAFF, as_of=MID_MARCH)
    cancel_subscription(subscription=later, when=When.PERIOD_END, actor=STAFF, as_of=MID_MARCH)
    close_month(later)
    by_provider = the_provider_says_that_it_ends(pro, pro)
    apply_agreement(
        provider="stripe", agreement=ended(version=pro), tenant=by_provider.tenant, as_of=MID_MARCH + timedelta(days=1)
    )
    bodies = told()["subscription.cancelled"]
    assert [body["status"] for body in bodies] == ["cancelled"] * 3
    assert all(body["ended_at"] for body in bodies)
    assert_one_shape(bodies + told()["subscription.updated"])


# Invoices


def bodies_of_invoices() -> dict[str, list[Body]]:
    """Trigger every event of invoices, by each path."""
    staff, provider, voided, credited, failed = finalized_invoices(5)
    free = subscribe_tenant("free", plan=make_plan("free", fee="0"))
    first_invoice(free)
    draft = close_month(subscription := provider.subscription, as_of=subscription.period_end)
    finalize_now(invoice_id=draft.pk, actor=STAFF, as_of=draft.drafted_at + timedelta(minutes=1))
    paid = {"amount_minor": 4900, "currency": "EUR", "occurred_at": MARCH + timedelta(hours=2), "as_of": MID_MARCH}
    record_manual_payment(invoice_id=staff.pk, reference="statement 7", actor=STAFF, **paid)
    record_payment(invoice_id=provider.pk, provider="stripe", reference="pi_1", **paid)
    record_failed_payment(invoice_id=failed.pk, provider="stripe", reference="pi_2", error="declined", **paid)
    void_invoice(invoice_id=voided.pk, reason="twice", actor=STAFF, as_of=MID_MARCH)
    issue_credit_note(invoice_id=credited.pk, reason="wrong", actor=STAFF, as_of=MID_MARCH)
    return told()


def test_events_of_an_invoice_have_one_shape() -> None:
    bodies = bodies_of_invoices()
    payments = [body.pop("payment") for body in bodies["invoice.payment_failed"]]
    assert [payment["error"] for payment in payments] == ["declined"]
    assert {body["status"] for body in bodies["invoice.drafted"]} == {"draft"}
    assert [body["number"] for body in bodies["invoice.drafted"]] == [None] * 7
    assert len(bodies["invoice.finalized"]) == 7
    assert [len(bodies[name]) for name in ("invoice.paid", "invoice.voided", "credit_note.issued")] == [3, 2, 1]
    assert_one_shape([body for name, of_type in bodies.items() if name.startswith("invoice.") for body in of_type])


def test_events_of_an_invoice_and_its_credit_note_are_as_the_api_shows_them() -> None:
    invoice = first_invoice(subscribe_tenant())
    client = client_of(invoice.tenant)
    assert told()["invoice.finalized"] == client.get("/api/v1/invoices").json()["data"]
    issue_credit_note(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=MID_MARCH)
    assert told()["invoice.voided"] == client.get("/api/v1/invoices").json()["data"]
    assert told()["credit_note.issued"] == client.get("/api/v1/credit-notes").json()["data"]


def test_the_event_of_a_failed_payment_is_as_the_api_shows_it() -> None:
    [invoice] = finalized_invoices(1)
    record_failed_payment(
        invoice_id=invoice.pk, provider="stripe", reference="pi_2", error="declined",
        amount_minor=4900, currency="EUR", occurred_at=MID_MARCH, as_of=MID_MARCH,
    )  # fmt: skip
    [body] = told()["invoice.payment_failed"]
    shown = client_of(invoice.tenant).get(f"/api/v1/invoices/{invoice.number}").json()
    assert [body.pop("payment")] == shown["payments"]
    assert body == {name: shown[name] for name in body}


# Keys and usage


def bodies_of_keys(tenant: Tenant) -> dict[str, list[Body]]:
    """Create, rotate and revoke keys, one and all at once."""
    bounded = KeyTerms(
        name="Bounded",
        scopes=["usage:read"],
        expires_at=MARCH + timedelta(days=90),
        allowed_cidrs=["192.0.2.0/24"],
        throttle_rate=5,
        throttle_burst=9,
        quota=Decimal(1000),
    )
    plain, _ = (
        create_api_key(tenant=tenant, kind=KeyKind.LIVE, terms=terms, actor=STAFF, as_of=MARCH + timedelta(seconds=n))
        for n, terms in enumerate((KeyTerms("Plain", ["usage:read"]), bounded))
    )
    rotated = rotate_api_key(key=plain.key, grace=timedelta(days=1), actor=STAFF, as_of=MARCH + timedelta(minutes=1))
    revoke_api_key(key=rotated.key, actor=STAFF, as_of=MARCH + timedelta(minutes=2))
    revoke_api_key(key=rotated.key, actor=STAFF, as_of=MID_MARCH)
    revoke_all_keys(tenant=tenant, actor=STAFF, as_of=MARCH + timedelta(hours=1))
    return told()


def test_events_of_keys_are_as_the_api_shows_them_without_their_secret() -> None:
    tenant = make_tenant("acme")
    bodies = bodies_of_keys(tenant)
    created, revoked = bodies["api_key.created"], bodies["api_key.revoked"]
    assert [body["name"] for body in created] == ["Plain", "Bounded", "Plain"]
    assert created[2]["rotated_from"] == created[0]["id"]
    assert sorted(body["name"] for body in revoked) == ["Bounded", "Plain", "Plain"]
    assert_one_shape(created + revoked)
    shown = {key["id"]: key for key in client_of(tenant).get("/api/v1/keys").json()["data"]}
    assert all(body == shown[body["id"]] for body in revoked)
    assert not any("secret" in name or "digest" in name for body in created for name in names_in(body))


def test_a_service_key_sends_no_event() -> None:
    made = create_api_key(
        tenant=None,
        kind=KeyKind.SERVICE,
        terms=KeyTerms(name="Gateway", scopes=["events:write"]),
        actor=STAFF,
        as_of=MARCH,
    )
    revoke_api_key(key=made.key, actor=STAFF, as_of=MARCH)
    assert not OutboxEvent.objects.exists()


def bodies_of_alerts() -> tuple[Tenant, dict[str, list[Body]]]:
    tenant = customer("limited", quota(100))
    use_tokens(tenant, 130, at=MID_MARCH)
    monitor_thresholds(as_of=MID_MARCH)
    hours = steady_hours(40, until=MID_MARCH, changed={MID_MARCH - HOUR: 900})
    store_hours(tenant, Meter.objects.get(code="api_requests"), hours)
    find_anomalies(as_of=MID_MARCH)
    steady_days(customer("steady", quota(2400)), 100)
    predict_crossings(as_of=MID_MONTH)
    return tenant, told()


def test_events_of_alerts_are_as_the_api_shows_them() -> None:
    tenant, bodies = bodies_of_alerts()
    shown = client_of(tenant).get("/api/v1/alerts").json()["data"]
    all_bodies = bodies["usage.threshold_reached"] + bodies["usage.anomaly_detected"]
    assert sorted(all_bodies, key=lambda body: -body["id"]) == shown


# The page


def types_in(module: ModuleType) -> set[str]:
    return {
        value.type
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and isinstance(getattr(value, "type", None), str)
    }


def documented() -> dict[str, set[str]]:
    """Return the fields of each type, as the page has them."""
    page = PAGE.read_text()
    sections = {
        title.lower().replace(" ", "-"): set(re.findall(r"^\| `([a-z_.]+)` \|", body, re.MULTILINE))
        for title, body in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    }
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| .* \| (.*) \|$", page.partition("\n## ")[0], re.MULTILINE)
    return {
        name: {field for anchor in re.findall(r"\(#([a-z-]+)\)", where) for field in sections[anchor]}
        for name, where in rows
    }


def test_the_page_names_every_type_with_all_of_its_fields(pro: PlanVersion, big: PlanVersion) -> None:
    types = types_in(happenings_of_billing) | types_in(happenings_of_keys) | types_in(happenings_of_alerts)
    types |= types_in(happenings_of_webhooks)
    assert documented().keys() == types
    assert set(EVENT_TYPES) == types
    for update in UPDATES:
        update(pro, big)
    ending = live("ending", pro)
    change_plan(subscription=ending, plan_version=big, when=When.PERIOD_END, actor=STAFF, as_of=MID_MARCH)
    cancel_subscription(subscription=ending, when=When.NOW, actor=STAFF, as_of=MID_MARCH)
    bodies_of_invoices()
    bodies_of_keys(make_tenant("acme"))
    _, bodies = bodies_of_alerts()
    test = happenings_of_webhooks.WebhookTest(uuid4(), uuid4(), uuid4())
    bodies["webhook.test"] = [cast("dict[str, Any]", to_plain(test.as_body()))]
    assert bodies.keys() == types
    of_objects: dict[str, set[str]] = defaultdict(set)
    for name, of_type in bodies.items():
        of_objects[name.partition(".")[0]] |= {field for body in of_type for field in names_in(body)}
    for name, fields in documented().items():
        found = {field for body in bodies[name] for field in names_in(body)}
        assert found <= fields, name
        assert fields - {"payment"} <= of_objects[name.partition(".")[0]], name
