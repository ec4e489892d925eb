"""A customer that the provider deleted is cleared and made again, and staff are told."""

import random

import pytest

from accounts.models import Discrepancy, Tenant
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.models import InboxEvent, ProviderAgreement, ProviderCustomer
from billing.collection.services.checkout import open_billing_portal
from billing.collection.services.collecting import collect_due, payment_link
from billing.collection.services.customers import ensure_customer
from billing.collection.services.inbox import process_inbox
from billing.models import BillingProfile, Invoice, Subscription
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import (
    attach,
    buy,
    collecting,
    deliver,
    deliver_and_process,
    due_invoice,
    handled,
    make_endpoint,
    now,
    subscribed,
)
from tests.billing.world import STAFF, subscribe_tenant
from tests.fakestripe import shopper

pytestmark = pytest.mark.django_db
AUTHORIZED = {"authorization": "Bearer sk_test_countinghouseFakeStripe000"}


@pytest.fixture(autouse=True)
def endpoint(db: None, fake_stripe: FakeStripe) -> None:
    make_endpoint()


def delete(fake: FakeStripe) -> str:
    """Delete the one customer in Stripe's dashboard."""
    reference = ProviderCustomer.objects.get().reference
    assert fake.api.respond("DELETE", f"customers/{reference}", "", AUTHORIZED, b"").status == 200
    return reference


def owing(fake: FakeStripe) -> Invoice:
    """Return a finalized invoice that is not collected yet, of a tenant with a card."""
    subscription = subscribe_tenant(as_of=now())
    customer_id = ensure_customer(tenant_id=subscription.tenant_id, provider=PROVIDER).reference
    attach(fake, customer_id, shopper.GOOD)
    return due_invoice(subscription.tenant, with_card="Visa ending in 4242")


def test_the_events_of_a_deletion_clear_the_customer_in_any_order(fake_stripe: FakeStripe) -> None:
    subscription = subscribed(fake_stripe)
    deliver_and_process(fake_stripe)
    known = {event["id"] for event in handled(fake_stripe)}
    reference = delete(fake_stripe)
    events = [event for event in handled(fake_stripe) if event["id"] not in known] * 20
    random.Random(5).shuffle(events)

    deliver(fake_stripe, events)
    process_inbox(as_of=now())

    assert {event["type"] for event in events} == {"customer.deleted", "customer.subscription.deleted"}
    assert not InboxEvent.objects.exclude(status__in=["processed", "ignored"]).exists()
    assert not ProviderCustomer.objects.exists()
    assert BillingProfile.objects.get().card_label == ""
    assert ProviderAgreement.objects.get().state == "ended"
    subscription.refresh_from_db()
    assert subscription.status == "active"
    told = Discrepancy.objects.open().get()
    assert (told.subject, told.code, told.is_holding) == (f"customer {reference}", "customer_gone", False)


def test_collecting_from_a_deleted_customer_clears_it_and_goes_on(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe)
    delete(fake_stripe)

    done = collect_due(as_of=now())

    assert "No such customer" in done.refused[0]
    assert not ProviderCustomer.objects.exists()
    assert collect_due(as_of=now()).refused == []
    assert collecting(fake_stripe, invoice) == []


def test_paying_again_makes_another_customer_and_voids_the_old_invoice(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe)
    fake_stripe.control.fail("/v1/invoices/.*/pay", status=402, times=1, code="card_declined")
    payment_link(invoice_id=invoice.pk, as_of=now())
    [old] = collecting(fake_stripe, invoice)
    reference = delete(fake_stripe)

    url = payment_link(invoice_id=invoice.pk, as_of=now())
    shopper.type_card(url, shopper.GOOD)
    deliver_and_process(fake_stripe)

    assert ProviderCustomer.objects.get().reference != reference
    statuses = {item["id"]: item["status"] for item in collecting(fake_stripe, invoice)}
    assert statuses.pop(old["id"]) == "void"
    assert list(statuses.values()) == ["paid"]
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert Discrepancy.objects.open().get().code == "customer_gone"


def test_the_pages_for_cards_open_for_another_customer_and_a_checkout_binds_again(fake_stripe: FakeStripe) -> None:
    subscription = subscribed(fake_stripe)
    deliver_and_process(fake_stripe)
    tenant: Tenant = subscription.tenant
    delete(fake_stripe)
    deliver_and_process(fake_stripe)

    assert open_billing_portal(tenant=tenant, return_url="http://here/", actor=STAFF, as_of=now())
    buy(tenant, subscription.plan_version)
    deliver_and_process(fake_stripe)

    assert ProviderAgreement.objects.get().state == "live"
    assert BillingProfile.objects.get().card_label == "Visa ending in 4242"
    assert Subscription.objects.get().status == "active"
