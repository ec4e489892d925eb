"""A subscription's life through the fake Stripe: what each event changes here, delivered to the real endpoint."""

import pytest
from stripe._api_version import _ApiVersion

from billing.collection.gateways.stripe import settings as stripe_settings
from billing.collection.models import InboxEvent
from billing.collection.services.checkout import open_billing_portal
from billing.models import BillingProfile, Invoice, Payment, Subscription
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import (
    agreed,
    agreement_of,
    buy,
    collecting,
    deliver_and_process,
    make_buyer,
    make_endpoint,
    named,
    now,
    subscribed,
)
from tests.billing.world import STAFF, make_plan
from tests.fakestripe import shopper

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def endpoint(db: None) -> None:
    make_endpoint()


def test_a_checkout_subscribes_the_tenant_and_its_first_invoice_is_paid_by_card(fake_stripe: FakeStripe) -> None:
    subscription = subscribed(fake_stripe)

    invoice = Invoice.objects.get(subscription=subscription)
    assert (invoice.status, invoice.total_minor) == ("finalized", 4900)
    [collected] = collecting(fake_stripe, invoice)
    assert collected["total"] == 4900
    assert named(invoice)[0] == collected["id"]

    run = deliver_and_process(fake_stripe)

    assert run.failed == []
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    payment = Payment.objects.get()
    assert (payment.reference, payment.amount_minor, payment.status) == (collected["id"], 4900, "succeeded")
    assert BillingProfile.objects.get().card_label == "Visa ending in 4242"
    assert set(InboxEvent.objects.values_list("status", flat=True)) <= {"processed", "ignored"}


def test_a_declined_card_buys_nothing_and_a_good_card_after_it_does(fake_stripe: FakeStripe) -> None:
    tenant, plan = make_buyer(), make_plan()

    buy(tenant, plan, card=shopper.DECLINED)
    deliver_and_process(fake_stripe)
    assert not Subscription.objects.exists()

    buy(tenant, plan)
    deliver_and_process(fake_stripe)
    assert Subscription.objects.get().tenant == tenant


def test_a_cancellation_in_stripes_portal_is_applied_and_undone(fake_stripe: FakeStripe) -> None:
    subscription = subscribed(fake_stripe)
    url = open_billing_portal(tenant=subscription.tenant, return_url="http://testserver/", actor=STAFF, as_of=now())

    shopper.press(url, "cancel", agreed(subscription).reference)
    deliver_and_process(fake_stripe)
    subscription.refresh_from_db()
    assert subscription.is_cancelled_at_period_end

    shopper.press(url, "renew", agreed(subscription).reference)
    deliver_and_process(fake_stripe)
    subscription.refresh_from_db()
    assert not subscription.is_cancelled_at_period_end
    assert agreement_of(fake_stripe, subscription)["cancel_at"] is None


def test_a_life_by_the_newest_version_of_the_api_that_the_library_knows(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = _ApiVersion.CURRENT
    assert newest != stripe_settings.API_VERSION, "the pinned one is the newest: pin this test to another"
    monkeypatch.setattr(stripe_settings, "API_VERSION", newest)

    subscription = subscribed(fake_stripe)
    deliver_and_process(fake_stripe)

    assert Invoice.objects.get(subscription=subscription).status == "paid"
    versions = {request["version"] for request in fake_stripe.api.requests if request["path"] == "/v1/invoices"}
    assert versions == {newest}
