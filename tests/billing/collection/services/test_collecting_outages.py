"""A Stripe that does not respond, or refuses: nothing changes, no invoice stops the others, and each pauses."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from billing.collection.errors import PaymentProviderError, PaymentRefusedError
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.models import ProviderCustomer, PushDelay
from billing.collection.services.collecting import collect_due
from billing.collection.services.customers import ensure_customer
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.services.test_collecting import bill, owing, there
from tests.billing.collection.stripe_world import (
    attach,
    buy,
    due_invoice,
    make_buyer,
    make_endpoint,
    now,
)
from tests.billing.world import make_plan, subscribe_tenant
from tests.fakestripe import shopper
from tests.faults.durable import await_that

pytestmark = pytest.mark.django_db
CARD = "Visa ending in 4242"


@pytest.fixture(autouse=True)
def endpoint(db: None, fake_stripe: FakeStripe) -> None:
    make_endpoint()


@pytest.mark.parametrize("status", [0, 500, 429])
def test_a_stripe_that_does_not_respond_changes_nothing_and_raises(fake_stripe: FakeStripe, status: int) -> None:
    tenant, plan = make_buyer(), make_plan()
    fake_stripe.control.fail(".*", status=status, times=100)

    with pytest.raises(PaymentProviderError) as refused:
        buy(tenant, plan)

    assert refused.value.status == 503
    assert refused.value.headers["Retry-After"]
    assert collect_due(as_of=now()).away == ""  # nothing was due


def test_an_absent_or_slow_stripe_is_a_503(
    fake_stripe: FakeStripe, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make_buyer()
    settings.STRIPE_API_HOST = "http://127.0.0.1:9"
    with pytest.raises(PaymentProviderError):
        ensure_customer(tenant_id=tenant.pk, provider=PROVIDER)

    settings.STRIPE_API_HOST = fake_stripe.url
    stripe_api._client.cache_clear()
    monkeypatch.setattr(stripe_api, "READ_SECONDS", 0.2)
    monkeypatch.setattr(stripe_api, "RETRIES", 0)
    fake_stripe.api.requests.clear()
    fake_stripe.api.latency_seconds = 1
    with pytest.raises(PaymentProviderError):
        ensure_customer(tenant_id=tenant.pk, provider=PROVIDER)
    fake_stripe.api.latency_seconds = 0
    stripe_api._client.cache_clear()
    await_that(lambda: len(fake_stripe.api.requests) == 1)  # the late request must not reach the next test's world


def test_without_a_key_collection_does_nothing_and_checkout_says_so(settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = ""
    assert collect_due(as_of=now()).pushed == 0
    with pytest.raises(PaymentProviderError, match="not set up"):
        ensure_customer(tenant_id=make_buyer().pk, provider=PROVIDER)


def test_the_secret_key_is_in_no_text_of_stripes_errors(fake_stripe: FakeStripe, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = "sk_live_neverShowThisOneToAnybody00"
    with pytest.raises(PaymentProviderError) as refused:
        ensure_customer(tenant_id=make_buyer().pk, provider=PROVIDER)
    assert "neverShowThisOne" not in str(refused.value)


def test_an_invoice_for_which_stripe_never_responds_does_not_stop_the_others(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe)
    other = subscribe_tenant("other", plan=invoice.subscription.plan_version, as_of=now())
    attach(fake_stripe, ensure_customer(tenant_id=other.tenant_id, provider=PROVIDER).reference, shopper.GOOD)
    second = due_invoice(other.tenant, with_card=CARD)
    fake_stripe.control.fail("/v1/invoiceitems", status=500, times=3)

    done = collect_due(as_of=now())

    assert (done.pushed, bool(done.away), done.report().needs_attention) == (1, True, True)
    assert [*there(fake_stripe, invoice), *there(fake_stripe, second)] == [("draft", 0), ("paid", 4900)]


def test_an_absent_stripe_is_not_called_for_each_invoice(fake_stripe: FakeStripe, settings: Settings) -> None:
    plan = make_plan()
    for number in range(5):
        subscription = subscribe_tenant(f"tenant-{number}", plan=plan, as_of=now())
        ensure_customer(tenant_id=subscription.tenant_id, provider=PROVIDER)
        due_invoice(subscription.tenant, with_card=CARD)
    fake_stripe.control.fail(".*", status=503, times=1000)
    fake_stripe.api.requests.clear()

    assert collect_due(as_of=now()).away

    assert len(fake_stripe.api.requests) == 9  # three invoices, each tried three times


def test_a_request_that_changed_under_its_key_is_refused_and_not_taken_for_an_outage(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe)
    customer_id = ProviderCustomer.objects.get().reference
    one = bill(invoice, customer_id)
    stripe_api.create_invoice(one, generation=0)

    with pytest.raises(PaymentRefusedError) as refused:
        stripe_api.create_invoice(replace(one, number="another"), generation=0)

    assert refused.value.reason == "idempotency"


def test_invoices_that_always_fail_do_not_stop_the_others(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan()
    invoices = []
    for number in range(5):
        subscription = subscribe_tenant(f"tenant-{number}", plan=plan, as_of=now())
        ensure_customer(tenant_id=subscription.tenant_id, provider=PROVIDER)
        invoices.append(due_invoice(subscription.tenant, with_card=CARD))
    failing = {invoice.pk for invoice in invoices[:3]}
    ask = stripe_api.invoices_for

    def refuse_some(invoice_id: Any, **how: Any) -> Any:
        if invoice_id in failing:
            raise PaymentProviderError("Stripe did not respond.")
        return ask(invoice_id, **how)

    monkeypatch.setattr(stripe_api, "invoices_for", refuse_some)

    assert collect_due(as_of=now()).pushed == 0  # three without a response end the run
    assert collect_due(as_of=now()).pushed == 2
    assert set(PushDelay.objects.values_list("invoice", flat=True)) == failing


def test_an_invoice_that_fails_again_pauses_longer_each_time(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe)
    fake_stripe.control.fail("/v1/invoices", status=400, times=1000)
    as_of, pauses = now(), []
    for _ in range(5):
        assert collect_due(as_of=as_of).refused
        delay = PushDelay.objects.get(invoice=invoice)
        pauses.append(delay.next_attempt_at - as_of)
        as_of = delay.next_attempt_at
    assert collect_due(as_of=as_of - timedelta(seconds=1)).refused == []  # not before its time

    assert pauses == [timedelta(minutes=minutes) for minutes in (0, 10, 20, 40, 80)]
    fake_stripe.api.reset()
    assert collect_due(as_of=as_of).pushed == 1
    assert not PushDelay.objects.exists()
