"""A provider that is one folder and one line. It collects beside Stripe, or instead of it."""

import json
from typing import Any
from unittest.mock import ANY

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Tenant
from billing.collection import tasks
from billing.collection.domain.provider import Bill, PreparedInvoice
from billing.collection.errors import PaymentProviderError
from billing.collection.gateways import registry
from billing.collection.models import (
    InboxEvent,
    ProviderAgreement,
    ProviderCustomer,
    ProviderInvoice,
    UsagePush,
)
from billing.collection.selectors.providers import described_providers, provider_of_tenant, provider_title_for, title_of
from billing.collection.services.checkout import open_billing_portal, start_checkout
from billing.collection.services.collecting import collect_due, payment_link
from billing.collection.services.customers import ensure_customer
from billing.collection.services.samples import receive_samples
from billing.collection.services.setup import set_up_providers
from billing.collection.services.usage_push import push_usage
from billing.models import BillingProfile, Invoice, Payment, Subscription
from billing.services.invoicing.staff_actions import void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription, undo_pending
from config.staff.navigation import navigation
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.second.provider import CARD, SECRET, SecondProvider
from tests.billing.collection.stripe_world import make_buyer, make_endpoint, now, subscribed
from tests.billing.world import STAFF, make_plan

pytestmark = pytest.mark.django_db
STRIPE = "billing.collection.gateways.stripe"
SECOND = "tests.billing.collection.second"


@pytest.fixture
def second(settings: Settings) -> SecondProvider:
    """Set up the second provider with an empty memory, in front of Stripe, which has no key."""
    settings.PAYMENT_PROVIDERS = [STRIPE, SECOND]
    provider = registry.provider_named("second")
    assert isinstance(provider, SecondProvider)
    provider.__init__()  # type: ignore[misc]  # forget what the test before left
    return provider


def deliver(about: str, of: str, customer: str, *, number: str = "1", path: str = "/webhooks/second") -> int:
    body = json.dumps({"number": number, "about": about, "of": of, "customer": customer})
    response = Client().post(path, body, content_type="application/json", headers={"Second-Secret": SECRET})
    return response.status_code


def bought(tenant: Tenant, **plan: Any) -> tuple[Subscription, str]:
    """Buy through the second provider. Return the tenant's subscription and its customer there."""
    url = start_checkout(
        tenant=tenant,
        version=make_plan(**plan),
        actor=STAFF,
        success_url="http://h/",
        cancel_url="http://h/",
        as_of=now(),
    )
    customer = ProviderCustomer.objects.get(tenant=tenant).reference
    assert deliver("mandate", url.rpartition("/")[2], customer, number=f"bought-{tenant.slug}") == 200
    tasks.process_delivered()
    return Subscription.objects.get(tenant=tenant), customer


def test_the_life_of_a_subscription_through_the_second_provider(second: SecondProvider) -> None:
    subscription, customer = bought(make_buyer())
    invoice = Invoice.objects.get(subscription=subscription)
    assert BillingProfile.objects.get().card_label == CARD

    # The task has made the first invoice and pushed it; the provider says that it is paid.
    row = ProviderInvoice.objects.get(invoice=invoice)
    assert (row.provider, row.payment_url) == ("second", f"https://second.example/{row.reference}")
    assert deliver("claim", row.reference, customer, number="paid") == 200
    tasks.process_inbox()
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert Payment.objects.get().provider == "second"

    # Cancelled here, undone here, ended here: each is sent.
    agreement = ProviderAgreement.objects.get(subscription=subscription)
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=now())
    collect_due(as_of=now())
    assert second.agreements[agreement.reference].is_cancelled_at_period_end
    subscription.refresh_from_db()
    undo_pending(subscription=subscription, actor=STAFF, as_of=now())
    subscription.refresh_from_db()
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=now())
    assert collect_due(as_of=now()).agreements.told == 1
    assert second.agreements[agreement.reference].status == "revoked"


def test_a_returned_direct_debit_is_a_failed_payment(second: SecondProvider) -> None:
    _, customer = bought(make_buyer())
    row = ProviderInvoice.objects.get()
    second.paid.clear()
    deliver("claim", row.reference, customer, number="returned")
    tasks.process_delivered()
    assert Payment.objects.get().error == "Returned by the bank."
    void_invoice(invoice_id=row.invoice_id, reason="a mistake", actor=STAFF, as_of=now())
    collect_due(as_of=now())
    assert second.taken_back == {row.reference}
    assert not ProviderInvoice.objects.exists()


def test_the_second_providers_webhook_has_its_own_address_and_event_names(second: SecondProvider) -> None:
    assert deliver("weather", "", "") == 200
    assert deliver("weather", "", "") == 200
    assert deliver("weather", "", "", path="/webhooks/second/else") == 404
    assert deliver("weather", "", "", path="/webhooks/third") == 404
    assert Client().post("/webhooks/second", "{}", content_type="application/json").status_code == 400
    event = InboxEvent.objects.get()
    assert (event.provider, event.event_id, event.deliveries) == ("second", "1", 2)


def test_a_customer_without_a_card_is_charged_by_no_provider(second: SecondProvider) -> None:
    _, customer = bought(make_buyer())
    deliver("card", "", customer, number="gone")
    tasks.process_delivered()
    assert (ProviderCustomer.objects.get().card_label, BillingProfile.objects.get().card_label) == ("", "")


def test_stripe_and_the_second_provider_each_collect_their_own_invoices(
    fake_stripe: FakeStripe, second: SecondProvider
) -> None:
    make_endpoint()
    by_stripe = subscribed(fake_stripe)
    assert ProviderInvoice.objects.get().provider == "stripe"
    fake_stripe.control.fail(".*", status=500, times=1000)

    other = make_buyer("other")
    customer = ensure_customer(tenant_id=other.pk, provider=second)
    assert provider_of_tenant(other.pk) is second
    assert provider_of_tenant(by_stripe.tenant_id) is registry.provider_named("stripe")
    subscription, _ = bought(other, code="another")

    assert customer.provider == "second"
    assert ProviderInvoice.objects.get(invoice__subscription=subscription).provider == "second"
    assert collect_due(as_of=now()).pushed == 0
    assert not UsagePush.objects.exists()


def test_without_stripe_the_second_provider_is_offered(second: SecondProvider) -> None:
    tenant = make_buyer()
    assert provider_of_tenant(tenant.pk) is second
    assert open_billing_portal(tenant=tenant, return_url="http://h/", actor=STAFF, as_of=now()).startswith(
        "https://second.example/"
    )
    assert set_up_providers(currencies=["EUR"]) == ["second: takes EUR"]
    receive_samples(as_of=now())
    assert InboxEvent.objects.get().outcome == "nothing that we follow"
    receive_samples(as_of=now())
    assert InboxEvent.objects.get().deliveries == 1, "an inbox that has something needs no samples"
    assert push_usage(as_of=now()).away == "", "it keeps no meters"
    second.is_configured = False
    assert (provider_of_tenant(tenant.pk), provider_title_for(tenant.pk)) == (None, "")
    with pytest.raises(PaymentProviderError, match="not set up"):
        open_billing_portal(tenant=tenant, return_url="http://h/", actor=STAFF, as_of=now())


def test_an_invoice_without_a_card_is_paid_on_its_page(second: SecondProvider) -> None:
    bought(make_buyer())
    invoice = Invoice.objects.get()
    assert payment_link(invoice_id=invoice.pk, as_of=now()) == f"https://second.example/claim-{invoice.number}"


def test_an_invoice_that_another_provider_claimed_meanwhile_is_left_to_it(
    second: SecondProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought(make_buyer())
    invoice = Invoice.objects.get()
    ProviderInvoice.objects.all().delete()
    second.bills.clear()
    second.paid.clear()
    prepare = second.prepare_invoice

    def prepare_while_another_is_named(bill: Bill) -> PreparedInvoice:
        ProviderInvoice.objects.create(invoice_id=bill.invoice_id, provider="stripe", reference="in_1")
        return prepare(bill)

    monkeypatch.setattr(second, "prepare_invoice", prepare_while_another_is_named)
    collect_due(as_of=now())

    assert ProviderInvoice.objects.get().reference == "in_1"
    assert (second.taken_back, second.paid) == ({f"claim-{invoice.number}"}, set())


def test_the_title_of_the_second_provider_is_shown(second: SecondProvider) -> None:
    assert [description.title for _, description in described_providers()] == ["Stripe", "Second & Sons"]
    assert (title_of("second"), title_of("gone")) == ("Second & Sons", "gone")
    assert "Second & Sons" not in [group.get("title") for group in navigation(ANY)]  # it keeps no copies to look at


def test_an_event_of_a_removed_provider_waits_for_it(second: SecondProvider, settings: Settings) -> None:
    deliver("weather", "", "")
    settings.PAYMENT_PROVIDERS = [STRIPE]
    assert tasks.process_delivered().endswith("1 failed")
    assert "provider second no longer exists" in InboxEvent.objects.get().error
    settings.PAYMENT_PROVIDERS = [STRIPE, SECOND]
