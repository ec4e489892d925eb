"""Subscriptions in the admin: they begin on the tenant's page, and each change is confirmed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Tenant
from billing.models import BillingException, BillingProfile, PlanVersion, Subscription
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, cancel_subscription
from tests.billing.admin.desk import act, latest_entry, listed, page, said, sold
from tests.billing.world import STAFF, close_month, first_invoice, make_plan
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db

ACTIONS = ("change_plan", "cancel", "undo")


@pytest.fixture
def pro(db: None) -> PlanVersion:
    return make_plan()


@pytest.fixture
def team(pro: PlanVersion) -> PlanVersion:
    return make_plan("team", fee="199")


@pytest.fixture
def subscription(pro: PlanVersion) -> Subscription:
    made = sold(plan=pro)
    first_invoice(made)
    made.refresh_from_db()
    return made


def seen(subscription: Subscription, **given: object) -> dict[str, object]:
    return {"expected_version": subscription.version, **given}


def test_a_tenant_is_subscribed_from_its_page_with_the_first_invoice_shown_before(
    as_bo: Client, pro: PlanVersion
) -> None:
    tenant = make_tenant("acme")
    response = as_bo.post(page(tenant, "subscribe"), {"plan_version": pro.pk, "preview": ""})
    assert response.context["preview"]["total"] == "49.00\N{NO-BREAK SPACE}EUR"
    assert not Subscription.objects.exists()
    assert "Acme is on Pro v1." in act(as_bo, tenant, "subscribe", plan_version=pro.pk, trial_days="7")
    made = Subscription.objects.get()
    assert (made.tenant, made.plan_version, made.status) == (tenant, pro, "trialing")
    assert (latest_entry().actor_kind, latest_entry().actor_label) == ("staff", "bo@example.org")
    assert "has a subscription" in act(as_bo, tenant, "subscribe", plan_version=pro.pk)
    assert "has a subscription" in said(as_bo.get(page(tenant, "subscribe")))
    assert "/subscribe/" not in as_bo.get(page(tenant)).content.decode()


def test_a_plan_without_the_tenants_currency_is_refused_in_a_sentence(as_bo: Client, pro: PlanVersion) -> None:
    tenant = make_tenant("acme", currency="USD")
    response = as_bo.post(page(tenant, "subscribe"), {"plan_version": pro.pk, "preview": ""})
    assert "no prices in USD" in response.content.decode()
    assert "no prices in USD" in act(as_bo, tenant, "subscribe", plan_version=pro.pk)


def test_the_plan_is_changed_at_the_end_of_the_period_and_the_change_undone(
    as_bo: Client, subscription: Subscription, team: PlanVersion
) -> None:
    given = seen(subscription, plan_version=team.pk, when="period_end")
    response = as_bo.post(page(subscription, "change_plan"), given | {"preview": ""})
    assert response.context["preview"]["total"] == "199.00\N{NO-BREAK SPACE}EUR"
    subscription.refresh_from_db()
    assert subscription.pending_plan_version is None
    assert "moves to Team v1" in act(as_bo, subscription, "change_plan", **given)
    subscription.refresh_from_db()
    assert subscription.pending_plan_version == team
    assert "becomes Team v1" in as_bo.get(listed(Subscription)).content.decode()
    assert "goes on as it is" in act(as_bo, subscription, "undo", **seen(subscription))
    subscription.refresh_from_db()
    assert subscription.pending_plan_version is None


def test_the_plan_is_changed_now(as_bo: Client, subscription: Subscription, team: PlanVersion) -> None:
    given = seen(subscription, plan_version=team.pk, when="now")
    lines = as_bo.post(page(subscription, "change_plan"), given | {"preview": ""}).context["preview"]["lines"]
    assert any("Remaining time on Team" in line["description"] for line in lines)
    assert "is on Team v1." in act(as_bo, subscription, "change_plan", **given)
    subscription.refresh_from_db()
    assert subscription.plan_version == team


def test_a_plan_that_a_colleague_changed_meanwhile_is_not_changed_again(
    as_bo: Client, as_robin: Client, subscription: Subscription, team: PlanVersion
) -> None:
    given = seen(subscription, plan_version=team.pk, when="period_end")
    act(as_bo, subscription, "change_plan", **given)
    assert "was changed meanwhile" in act(as_robin, subscription, "cancel", **seen(subscription, when="now"))
    subscription.refresh_from_db()
    assert subscription.is_live


def test_a_subscription_is_cancelled_at_the_end_of_its_period_or_now(as_bo: Client, subscription: Subscription) -> None:
    assert "ends on" in act(as_bo, subscription, "cancel", **seen(subscription, when="period_end"))
    subscription.refresh_from_db()
    assert subscription.is_cancelled_at_period_end
    assert "has ended" in act(as_bo, subscription, "cancel", **seen(subscription, when="now"))
    subscription.refresh_from_db()
    assert not subscription.is_live
    assert "has ended" in act(as_bo, subscription, "cancel", **seen(subscription, when="now"))
    assert "Not possible now" in said(as_bo.get(page(subscription, "cancel")))


def test_ending_a_subscription_shows_its_last_invoice_first(as_bo: Client, subscription: Subscription) -> None:
    for when in ("now", "period_end"):
        answer = as_bo.post(page(subscription, "cancel"), seen(subscription, when=when, preview=""))
        assert answer.context["preview"]["total"] == "0.00\N{NO-BREAK SPACE}EUR"
    subscription.refresh_from_db()
    assert subscription.is_live


def test_a_trial_can_be_ended_although_no_invoice_follows(as_bo: Client, subscription: Subscription) -> None:
    Subscription.objects.update(status="trialing")
    answer = as_bo.post(page(subscription, "cancel"), seen(subscription, when="now", preview=""))
    assert "A trial ends without an invoice." in answer.content.decode()
    assert "Cancel the subscription" in answer.content.decode()


def test_the_next_invoice_is_shown_to_staff_who_only_read(as_pat: Client, subscription: Subscription) -> None:
    assert as_pat.get(page(subscription, "preview")).context["preview"]["total"] == "49.00\N{NO-BREAK SPACE}EUR"
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=timezone.now())
    assert "total" in as_pat.get(page(subscription, "preview")).context["preview"]


def test_after_the_end_no_next_invoice_is_shown(as_pat: Client, subscription: Subscription) -> None:
    ended = cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=timezone.now())
    run_invoicing(as_of=timezone.now())
    ended.refresh_from_db()
    assert ended.due_at is not None
    text = as_pat.get(page(ended, "preview")).content.decode()
    assert f"What comes late is corrected on {ended.due_at:%Y-%m-%d} (UTC), if anything does." in text
    shown = as_pat.get(listed(Subscription)).context["cl"]
    assert [shown.model_admin.next_invoice(row) for row in shown.result_list] == [None]
    run_invoicing(as_of=ended.due_at + timedelta(hours=2))
    assert "nothing more is invoiced" in as_pat.get(page(ended, "preview")).content.decode()


def test_the_page_shows_phases_invoices_and_exceptions(as_pat: Client, subscription: Subscription) -> None:
    BillingException.objects.create(
        subscription=subscription, code="negative_usage", detail="Below nothing.", occurred_at=timezone.now()
    )
    text = as_pat.get(page(subscription)).content.decode()
    assert str(subscription.invoices.get().number) in text
    assert "negative_usage" in text
    rows = as_pat.get(listed(Subscription), {"pending": "parked"}).context["cl"].result_list
    assert [row.pk for row in rows] == [subscription.pk]
    for pending in ("change", "cancel"):
        assert list(as_pat.get(listed(Subscription), {"pending": pending}).context["cl"].result_list) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_staff_who_only_read_cannot_change_subscriptions(
    as_kim: Client, as_pat: Client, as_alice: Client, subscription: Subscription, action: str
) -> None:
    for client in (as_kim, as_pat):
        assert client.post(page(subscription, action), seen(subscription, when="now")).status_code == 403
        assert client.post(page(subscription.tenant, "subscribe")).status_code == 403
        assert client.post(page(subscription.tenant, "billing_profile")).status_code == 403
    assert as_alice.get(page(subscription, action)).status_code == 302
    subscription.refresh_from_db()
    assert subscription.is_live


@pytest.mark.parametrize("action", ["change", "preview", *ACTIONS])
@pytest.mark.parametrize("object_id", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_subscription_id_is_not_found(as_robin: Client, action: str, object_id: str) -> None:
    assert as_robin.get(f"/admin/billing/subscription/{object_id}/{action}/").status_code in {302, 404}


def test_the_list_of_subscriptions_takes_as_many_queries_whatever_its_length(
    as_pat: Client, pro: PlanVersion, django_assert_num_queries: Any
) -> None:
    sold("one", plan=pro)
    as_pat.get(listed(Subscription))
    with CaptureQueriesContext(connection) as few:
        as_pat.get(listed(Subscription))
    for number in range(4):
        sold(f"more-{number}", plan=pro)
    with django_assert_num_queries(len(few)):
        as_pat.get(listed(Subscription))


# How a tenant is billed


def test_the_billing_profile_is_changed_by_the_service(as_bo: Client) -> None:
    tenant = make_tenant("acme")
    assert as_bo.get(page(tenant, "billing_profile")).status_code == 200
    assert not BillingProfile.objects.exists(), "looking writes nothing"
    given = {"tax_treatment": "standard", "tax_percent": "7.5", "tax_exemption_reason": "", "payment_days": "30"}
    given |= {"amount_check": "limit", "amount_max_minor": "1234.5", "language": "en"}
    assert "is billed as you said" in act(as_bo, tenant, "billing_profile", **given)
    profile = BillingProfile.objects.get(tenant=tenant)
    assert (profile.tax_treatment, profile.tax_percent, profile.payment_days) == ("standard", Decimal("7.5"), 30)
    assert profile.amount_max_minor == 123_450
    assert latest_entry().action == "tenant.billing_updated"
    assert 'value="7.5"' in as_bo.get(page(tenant, "billing_profile")).content.decode()
    refused = as_bo.post(page(tenant, "billing_profile"), given | {"tax_percent": "101"})
    assert "less than or equal to 100" in refused.content.decode()


def test_a_tenants_page_shows_what_it_buys(as_pat: Client, subscription: Subscription) -> None:
    tenant: Tenant = subscription.tenant
    text = as_pat.get(page(tenant)).content.decode()
    assert page(subscription) in text
    assert str(subscription.invoices.get().number) in text


def test_a_tenants_page_takes_as_many_queries_however_much_it_bought(as_pat: Client, pro: PlanVersion) -> None:
    made = sold(plan=pro, as_of=timezone.now() - timedelta(days=100))
    first_invoice(made)

    def reads_of_money() -> int:
        with CaptureQueriesContext(connection) as queries:
            as_pat.get(page(made.tenant))
        return sum("billing_" in query["sql"] for query in queries)

    few = reads_of_money()
    for _ in range(3):
        close_month(made)
    assert reads_of_money() == few
