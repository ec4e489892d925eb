"""Agreements at Stripe: checkout, the cancellations and ends that we send, and one agreement for one subscription."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.domain.roles import Role
from accounts.models import Tenant
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.models import ProviderCustomer
from billing.collection.services.checkout import open_billing_portal, start_checkout
from billing.collection.services.collecting import collect_due
from billing.collection.services.customers import ensure_customer
from billing.errors import (
    CurrencyNotOfferedError,
    SubscriptionExistsError,
)
from billing.models import (
    BillingProfile,
    PlanVersion,
    Subscription,
)
from billing.services.subscriptions.changes import When, cancel_subscription, undo_pending
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import (
    agreement_of,
    attach,
    deliver_and_process,
    due_invoice,
    make_buyer,
    make_endpoint,
    now,
    subscribed,
)
from tests.billing.world import STAFF, make_plan, subscribe_tenant
from tests.fakestripe import shopper
from tests.metering.alerts.alert_world import join
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db
CARD = "Visa ending in 4242"


@pytest.fixture(autouse=True)
def endpoint(db: None, fake_stripe: FakeStripe) -> None:
    make_endpoint()


def test_our_own_cancellation_is_sent_to_stripe_and_undone(fake_stripe: FakeStripe) -> None:
    subscription = subscribed(fake_stripe)
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=now())
    deliver_and_process(fake_stripe)  # no event that arrives meanwhile undoes it
    subscription.refresh_from_db()
    assert subscription.is_cancelled_at_period_end

    assert [collect_due(as_of=now()).agreements.told for _ in range(2)] == [1, 0]
    assert agreement_of(fake_stripe, subscription)["cancel_at_period_end"]
    deliver_and_process(fake_stripe)

    undo_pending(subscription=subscription, actor=STAFF, as_of=now())
    collect_due(as_of=now())
    assert not agreement_of(fake_stripe, subscription)["cancel_at_period_end"]
    deliver_and_process(fake_stripe)
    subscription.refresh_from_db()
    assert not subscription.is_cancelled_at_period_end


def test_our_end_ends_the_agreement_when_stripe_responds_again(fake_stripe: FakeStripe) -> None:
    subscription = subscribed(fake_stripe)
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=now())
    fake_stripe.control.fail("/v1/subscriptions/.*", status=500, method="DELETE", times=3)

    assert collect_due(as_of=now()).away
    assert agreement_of(fake_stripe, subscription)["status"] == "active"
    collect_due(as_of=now())
    assert agreement_of(fake_stripe, subscription)["status"] == "canceled"
    assert collect_due(as_of=now()).agreements.told == 0


def test_a_second_agreement_is_ended_and_a_third_is_not_offered(fake_stripe: FakeStripe) -> None:
    tenant, plan = make_buyer(), make_plan()
    urls = [checkout_url(tenant, plan) for _ in range(2)]  # two windows
    for url in urls:
        shopper.type_card(url)
    deliver_and_process(fake_stripe)
    deliver_and_process(fake_stripe)

    assert Subscription.objects.count() == 1
    agreements = fake_stripe.store.all("subscription")
    assert sorted(item["status"] for item in agreements) == ["active", "canceled"]
    assert agreement_of(fake_stripe, Subscription.objects.get())["status"] == "active"
    with pytest.raises(SubscriptionExistsError):
        checkout_url(tenant, plan)


def test_a_subscription_that_staff_created_is_bound_by_checkout(fake_stripe: FakeStripe) -> None:
    subscription = subscribe_tenant(as_of=now() - timedelta(seconds=5))
    due_invoice(subscription.tenant)
    better = make_plan("better", fee="99")

    shopper.type_card(checkout_url(subscription.tenant, better))
    deliver_and_process(fake_stripe)

    subscription.refresh_from_db()
    assert Subscription.objects.count() == 1
    assert subscription.plan_version == better
    assert agreement_of(fake_stripe, subscription)["status"] == "active"


def checkout_url(tenant: Any, plan: Any) -> str:
    return start_checkout(
        tenant=tenant, version=plan, actor=STAFF, success_url="http://here/", cancel_url="http://here/", as_of=now()
    )


def test_a_customer_without_an_address_for_bills_has_its_oldest_owners_at_stripe(fake_stripe: FakeStripe) -> None:
    tenant = make_tenant("acme")
    customer_id = ensure_customer(tenant_id=tenant.pk, provider=PROVIDER).reference
    customer = fake_stripe.store.objects["customer"][customer_id]
    assert not customer["email"]
    join(tenant, "dev@acme.example", Role.DEVELOPER)
    join(tenant, "first@acme.example", Role.OWNER)
    join(tenant, "second@acme.example", Role.OWNER)

    ensure_customer(tenant_id=tenant.pk, provider=PROVIDER)
    assert fake_stripe.store.objects["customer"][customer_id]["email"] == "first@acme.example"
    Tenant.objects.filter(pk=tenant.pk).update(billing_email="bills@acme.example")
    ensure_customer(tenant_id=tenant.pk, provider=PROVIDER)
    assert fake_stripe.store.objects["customer"][customer_id]["email"] == "bills@acme.example"


def test_checkout_shows_in_words_what_is_agreed(fake_stripe: FakeStripe) -> None:
    tenant = make_buyer()
    checkout_url(tenant, make_plan("plain", fee="49"))
    checkout_url(tenant, make_plan("tried", fee="1250", trial_days=14))
    checkout_url(tenant, make_plan("metered", fee="0"))

    plain, tried, metered = (
        item["custom_text"]["submit"]["message"] for item in fake_stripe.store.all("checkout.session")
    )
    assert (
        "49.00\N{NO-BREAK SPACE}EUR a month in advance, and what you use, by the price list, at each month's end"
        in plain
    )
    assert "You pay 49.00\N{NO-BREAK SPACE}EUR now: your first invoice, with tax." in plain
    assert "free" not in plain
    assert "1,250.00\N{NO-BREAK SPACE}EUR a month" in tried
    assert "The first 14 days are free; Sample Seller BV invoices you after them, and charges this card." in tried
    assert "This page charges nothing. Sample Seller BV sends you your invoices, and charges this card." in metered
    assert metered.startswith(
        "You subscribe to Metered: what you use, by the price list, at each month's end, plus tax"
    )


def test_checkout_offers_no_second_trial_to_a_subscriber(fake_stripe: FakeStripe) -> None:
    subscription = subscribe_tenant(as_of=now() - timedelta(seconds=5))
    checkout_url(subscription.tenant, make_plan("tried", trial_days=1))
    (session,) = fake_stripe.store.all("checkout.session")
    assert "free" not in session["custom_text"]["submit"]["message"]


def test_a_new_card_in_stripes_portal_is_shown(fake_stripe: FakeStripe) -> None:
    subscription = subscribed(fake_stripe)
    url = open_billing_portal(tenant=subscription.tenant, return_url="http://here/", actor=STAFF, as_of=now())
    customer_id = ProviderCustomer.objects.get().reference
    attach(fake_stripe, customer_id, shopper.FAILS_LATER)
    assert url.startswith(fake_stripe.url)

    deliver_and_process(fake_stripe)

    assert BillingProfile.objects.get().card_label == "Visa ending in 0341"


def test_a_plan_without_prices_in_the_tenant_s_currency_cannot_be_bought(fake_stripe: FakeStripe) -> None:
    with pytest.raises(CurrencyNotOfferedError):
        checkout_url(make_buyer(currency="USD"), make_plan())


def test_the_agreement_of_a_subscription_is_in_its_own_currency(fake_stripe: FakeStripe) -> None:
    # Stripe refuses invoices in another currency than that of the customer's subscription.
    tenant = subscribe_tenant(as_of=now()).tenant
    Tenant.objects.filter(pk=tenant.pk).update(currency="USD")
    tenant.refresh_from_db()

    shopper.type_card(checkout_url(tenant, PlanVersion.objects.get()), shopper.GOOD)
    deliver_and_process(fake_stripe)

    agreement = agreement_of(fake_stripe, Subscription.objects.get())
    assert agreement["currency"] == "eur"
    with pytest.raises(CurrencyNotOfferedError):
        checkout_url(make_buyer("other"), make_plan("dollars", fee={"USD": "10"}))


def test_checkout_of_a_fee_alone_does_not_mention_usage(fake_stripe: FakeStripe) -> None:
    checkout_url(make_buyer(), make_plan("fee-only", usage={}))
    (session,) = fake_stripe.store.all("checkout.session")
    assert "what you use" not in session["custom_text"]["submit"]["message"]
