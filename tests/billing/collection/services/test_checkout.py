"""What a new customer agrees to, sees on the provider's page and pays is one figure."""

import random
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Tenant
from billing.collection.models import InboxEvent, ProviderAgreement
from billing.collection.services.checkout import start_checkout
from billing.collection.services.inbox import process_inbox
from billing.domain.money import money_text
from billing.ledger.models import Posting
from billing.models import BillingException, BillingProfile, Invoice, Payment, PlanVersion, Subscription, TaxRate
from billing.selectors.catalog.plans import as_sold
from billing.selectors.invoicing.preview import preview_first_invoice
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import (
    collecting,
    deliver,
    deliver_and_process,
    follow_up,
    handled,
    make_buyer,
    make_endpoint,
    now,
)
from tests.billing.world import STAFF, make_plan
from tests.fakestripe import shopper

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def endpoint(db: None, fake_stripe: FakeStripe) -> None:
    make_endpoint()


def checkout(tenant: Tenant, version: PlanVersion) -> str:
    return start_checkout(
        tenant=tenant, version=version, actor=STAFF, success_url="http://testserver/done",
        cancel_url="http://testserver/back", as_of=now(),
    )  # fmt: skip


def session_of(fake: FakeStripe) -> dict[str, Any]:
    return dict(fake.store.all("checkout.session")[-1])


def charges(fake: FakeStripe) -> list[tuple[str, int]]:
    return [(charge["status"], charge["amount"]) for charge in fake.store.all("charge")]


def test_the_first_invoice_is_shown_charged_and_paid_as_one_figure(fake_stripe: FakeStripe) -> None:
    TaxRate.objects.create(country="BE", name="VAT", percent=Decimal(21))
    tenant, version = make_buyer(country="BE"), make_plan()
    shown = preview_first_invoice(tenant=tenant, version=as_sold(version), as_of=now())

    url = checkout(tenant, version)
    page = shopper.open_page(url).text
    shopper.type_card(url, shopper.GOOD)
    deliver_and_process(fake_stripe)
    deliver_and_process(fake_stripe)

    assert (shown.subtotal_minor, shown.total_minor) == (4900, 5929)
    session = session_of(fake_stripe)
    assert (session["mode"], session["amount_total"], session["currency"]) == ("payment", shown.total_minor, "eur")
    assert f"Pay EUR {shown.total_minor / 100:.2f}" in page
    assert money_text(shown.total_minor, "EUR") in session["custom_text"]["submit"]["message"]
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.total_minor, invoice.amount_due_minor) == ("paid", shown.total_minor, 0)
    payment = Payment.objects.get()
    assert (payment.status, payment.reference[:3], payment.allocated_minor) == ("succeeded", "pi_", shown.total_minor)
    assert charges(fake_stripe) == [("succeeded", shown.total_minor)]
    assert collecting(fake_stripe, invoice) == []
    assert BillingProfile.objects.get().card_label == "Visa ending in 4242"
    clearing = Posting.objects.filter(account="clearing").values_list("amount_minor", flat=True)
    assert list(clearing) == [shown.total_minor]


def test_every_event_of_a_checkout_twenty_times_and_shuffled_pays_once(fake_stripe: FakeStripe) -> None:
    tenant, version = make_buyer(), make_plan()
    shopper.type_card(checkout(tenant, version), shopper.GOOD)
    deliver_and_process(fake_stripe)

    events = handled(fake_stripe) * 20
    random.Random(7).shuffle(events)
    deliver(fake_stripe, events)
    follow_up(process_inbox(as_of=now()))

    assert Subscription.objects.count() == Payment.objects.count() == Invoice.objects.count() == 1
    assert len(charges(fake_stripe)) == 1
    assert len(fake_stripe.store.all("subscription")) == 1
    assert not InboxEvent.objects.exclude(status__in=["processed", "ignored"]).exists()


def test_the_agreement_and_its_payment_are_known_by_any_of_their_events(fake_stripe: FakeStripe) -> None:
    tenant, version = make_buyer(), make_plan()
    shopper.type_card(checkout(tenant, version), shopper.GOOD)
    deliver(fake_stripe, handled(fake_stripe))
    fake_stripe.control.fail("/v1/subscriptions", status=0, method="POST", times=3, is_after=True)
    assert process_inbox(as_of=now()).failed  # the worker does not hear that the agreement was made
    made = [event for event in handled(fake_stripe) if event["type"] == "customer.subscription.created"]

    deliver_and_process(fake_stripe, made)

    assert Invoice.objects.get().status == "paid"
    InboxEvent.objects.filter(status="failed").update(next_attempt_at=now())
    follow_up(process_inbox(as_of=now()))
    assert len(fake_stripe.store.all("subscription")) == 1
    assert Payment.objects.count() == 1


def test_a_declined_card_begins_nothing(fake_stripe: FakeStripe) -> None:
    seen = shopper.type_card(checkout(make_buyer(), make_plan()), shopper.FAILS_LATER)
    deliver_and_process(fake_stripe)

    assert seen.status == 402
    assert "Your card was declined." in seen.text
    assert not Subscription.objects.exists()
    assert not Payment.objects.exists()


@pytest.mark.parametrize(("fee", "trial_days"), [("49", 14), ("0", 0)], ids=["a trial", "no fee"])
def test_a_page_that_charges_nothing_says_so(fake_stripe: FakeStripe, fee: str, trial_days: int) -> None:
    tenant = make_buyer()
    url = checkout(tenant, make_plan(fee=fee, trial_days=trial_days))
    page = shopper.open_page(url).text
    shopper.type_card(url, shopper.GOOD)
    deliver_and_process(fake_stripe)

    assert "Save a card" in page
    assert "This page charges nothing." in page
    assert "EUR 0.00" not in page
    assert session_of(fake_stripe)["mode"] == "setup"
    assert Subscription.objects.get().tenant == tenant
    assert charges(fake_stripe) == []
    assert not Payment.objects.exists()


def test_who_pays_twice_in_two_windows_gets_the_second_payment_back(fake_stripe: FakeStripe) -> None:
    tenant, version = make_buyer(), make_plan()
    first, second = checkout(tenant, version), checkout(tenant, version)
    for url in (first, second):
        shopper.type_card(url, shopper.GOOD)
        deliver_and_process(fake_stripe)

    assert Subscription.objects.count() == Invoice.objects.count() == 1
    assert Invoice.objects.get().status == "paid"
    assert ProviderAgreement.objects.count() == 1
    waiting = Payment.objects.get(exceptions__resolved_at=None, exceptions__isnull=False)
    assert waiting.unallocated_minor == waiting.amount_minor
    assert "a second agreement" in BillingException.objects.get(resolved_at=None).detail
    assert sorted(item["status"] for item in fake_stripe.store.all("subscription")) == ["active", "canceled"]
    assert BillingProfile.objects.get().card_label == "Visa ending in 4242"


def test_a_checkout_whose_payment_is_still_on_its_way_begins_nothing_yet(fake_stripe: FakeStripe) -> None:
    shopper.type_card(checkout(make_buyer(), make_plan()), shopper.GOOD)
    fake_stripe.store.update(fake_stripe.store.all("checkout.session")[-1], payment_status="unpaid")

    deliver_and_process(fake_stripe)

    assert InboxEvent.objects.get(type="checkout.session.completed").outcome == "a checkout that is not paid yet"
    assert not Subscription.objects.exists()
