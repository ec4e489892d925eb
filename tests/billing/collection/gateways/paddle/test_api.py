"""A statement is charged once, although Paddle has no idempotency keys: whatever is lost, and however many push it."""

from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from accounts.models import Tenant
from billing.collection.errors import PaymentProviderError, PaymentRefusedError
from billing.collection.gateways.paddle import api
from billing.collection.gateways.paddle.provider import PROVIDER
from billing.collection.models import ProviderCustomer, ProviderInvoice
from billing.collection.services import collecting
from billing.collection.services.choosing import choose_provider
from billing.collection.services.collecting import RELEASE_CLAIMED_FOR, collect_due, payment_link
from billing.collection.services.customers import ensure_customer
from billing.collection.services.inbox import process_inbox
from billing.collection.services.setup import set_up_providers
from billing.models import Invoice, Payment
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.running import run_invoicing
from config.workbench.fakepaddle.life import activate
from config.workbench.fakepaddle.server import FakePaddle
from tests.billing.collection.paddle_world import buy, buyer, charges, deliver, deliver_and_process
from tests.billing.collection.stripe_world import due_invoice, make_buyer, now
from tests.billing.world import STAFF, make_plan, subscribe_tenant
from tests.fakestripe import shopper
from tests.races import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.takes_long("workers die at every step")]


def owing(fake: FakePaddle, *, card: str = shopper.GOOD) -> Invoice:
    """Return the first statement of a tenant that went through checkout; nothing has pushed it yet."""
    tenant = buyer()
    buy(tenant, make_plan(), card=card)
    deliver(fake.events())
    process_inbox(as_of=now())
    run_invoicing(as_of=now(), due=Due(tenant_ids=[tenant.pk]))
    return Invoice.objects.get(tenant=tenant)


def later() -> datetime:
    """Return when the claim of a worker that died is over."""
    return now() + RELEASE_CLAIMED_FOR + timedelta(seconds=1)


def test_a_statement_is_charged_once_however_often_collection_runs(fake_paddle: FakePaddle) -> None:
    owing(fake_paddle)
    assert collect_due(as_of=now()).pushed == 1
    collect_due(as_of=now())
    collect_due(as_of=later())
    assert len(charges(fake_paddle)) == 1


# Each request of a push, and whether Paddle performed it before its response was lost.
REQUESTS = [
    ("GET", "/transactions"),
    ("GET", "/subscriptions"),
    ("POST", "/subscriptions/.*/activate"),
    ("POST", "/subscriptions/.*/charge"),
]


@pytest.mark.parametrize("status", [500, 429, 0])
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_a_push_that_died_anywhere_is_resumed_and_charged_once(
    fake_paddle: FakePaddle, method: str, path: str, status: int, *, is_after: bool
) -> None:
    owing(fake_paddle)
    fake_paddle.api.fail(path, status=status, method=method, is_after=is_after)

    assert collect_due(as_of=now()).away
    collect_due(as_of=later())

    [charged] = charges(fake_paddle)
    assert ProviderInvoice.objects.get().reference == charged["id"]
    deliver_and_process(fake_paddle)
    assert [payment.amount_minor for payment in Payment.objects.all()] == [4900]


def push_from_two_workers(fake: FakePaddle) -> int:
    """Push a statement from two workers at one instant; return how many charges there are."""
    owing(fake)
    with fake.store.lock:  # a subscription on trial would stop the second worker by accident: its trial ends once
        activate(fake.store, fake.store.all("subscription")[0])
    fake.api.latency_seconds = 0.1  # both have looked before either has charged
    at_once(lambda: collect_due(as_of=now()), lambda: collect_due(as_of=now()))
    return len(charges(fake))


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_charge_once(fake_paddle: FakePaddle) -> None:
    assert push_from_two_workers(fake_paddle) == 1


@pytest.mark.django_db(transaction=True)
def test_control_without_a_claim_workers_at_once_charge_twice(
    fake_paddle: FakePaddle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "RELEASE_CLAIMED_FOR", timedelta(seconds=-1))
    assert push_from_two_workers(fake_paddle) == 2


def test_a_claim_holds_until_every_call_of_its_worker_has_ended(fake_paddle: FakePaddle) -> None:
    owing(fake_paddle)
    fake_paddle.api.fail("/subscriptions/.*/charge", status=0, is_after=True)
    collect_due(as_of=now())
    fake_paddle.store.objects["transaction"].clear()  # Paddle is still busy with it: it is in no list yet
    collect_due(as_of=now())
    assert charges(fake_paddle) == []
    collect_due(as_of=later())
    assert len(charges(fake_paddle)) == 1


def test_a_statement_without_a_card_is_paid_on_a_page_and_looked_for_before_it_is_made_again(
    fake_paddle: FakePaddle,
) -> None:
    subscription = subscribe_tenant("by-hand", as_of=now(), billing_email="hand@acme.example")
    choose(subscription.tenant)
    invoice = due_invoice(subscription.tenant)
    fake_paddle.api.fail("/transactions", status=0, method="POST", is_after=True)
    with pytest.raises(PaymentProviderError):
        payment_link(invoice_id=invoice.pk, as_of=now())
    url = payment_link(invoice_id=invoice.pk, as_of=later())
    assert len(fake_paddle.store.all("transaction")) == 1
    shopper.type_card(url)
    deliver_and_process(fake_paddle)
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def choose(tenant: Tenant) -> None:
    choose_provider(tenant=tenant, provider="paddle", actor=STAFF, as_of=now())


def test_an_invoice_with_our_tax_is_not_sent_to_paddle(fake_paddle: FakePaddle) -> None:
    subscription = subscribe_tenant(as_of=now())
    invoice = due_invoice(subscription.tenant)
    choose(subscription.tenant)
    with pytest.raises(PaymentRefusedError, match="the issuer sells, so Paddle cannot collect it"):
        payment_link(invoice_id=invoice.pk, as_of=now())
    assert not fake_paddle.store.all("transaction")


def test_two_tenants_with_one_address_are_two_customers_and_each_is_found_again(fake_paddle: FakePaddle) -> None:
    acme, other = make_buyer(), make_buyer("other", billing_email="bills@acme.example")
    first = [ensure_customer(tenant_id=tenant.pk, provider=PROVIDER).reference for tenant in (acme, other)]
    ProviderCustomer.objects.all().delete()
    again = [ensure_customer(tenant_id=tenant.pk, provider=PROVIDER).reference for tenant in (acme, other)]
    assert first == again
    emails = [one["email"] for one in fake_paddle.store.all("customer")]
    assert emails == ["bills@acme.example", f"bills+{other.pk.hex[-8:]}@acme.example"]


def test_a_customer_that_paddle_already_had_is_adopted_and_keeps_what_others_wrote(fake_paddle: FakePaddle) -> None:
    with fake_paddle.store.lock:
        known = fake_paddle.store.add(
            "customer", email="bills@acme.example", name="A", custom_data={"crm": 7}, status="archived"
        )
    tenant = make_buyer()
    assert ensure_customer(tenant_id=tenant.pk, provider=PROVIDER).reference == known["id"]
    assert known["custom_data"] == {"crm": 7, "countinghouse_tenant": str(tenant.pk)}
    assert known["status"] == "active"


def test_a_list_of_several_pages_is_read_to_its_end_from_our_host_alone(
    fake_paddle: FakePaddle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 2)
    customer = ensure_customer(tenant_id=make_buyer().pk, provider=PROVIDER).reference
    with fake_paddle.store.lock:
        ids = [fake_paddle.store.add("transaction", customer_id=customer)["id"] for _ in range(5)]
        fake_paddle.store.base_url = "http://another-host.example"
    try:
        assert [one["id"] for one in api.transactions_of(customer)] == ids
    finally:
        fake_paddle.store.base_url = fake_paddle.url


def test_a_wrong_key_and_a_refusal_say_what_paddle_says(fake_paddle: FakePaddle, settings: Settings) -> None:
    with pytest.raises(PaymentRefusedError, match="Entity txn_nothing not found") as refused:
        api.transaction("txn_nothing")
    assert refused.value.reason == "not_found"
    fake_paddle.api.fail("/transactions/.*", status=403)
    with pytest.raises(PaymentProviderError, match="refuses the key"):
        api.transaction("txn_nothing")
    settings.PADDLE_API_KEY = ""
    with pytest.raises(PaymentProviderError, match="PADDLE_API_KEY is missing"):
        api.transaction("txn_nothing")


def test_setting_up_says_whether_paddle_sends_us_events(fake_paddle: FakePaddle) -> None:
    assert [said for said in set_up_providers() if "does not send events to" in said]
    with fake_paddle.store.lock:
        url = "http://localhost:8000/webhooks/paddle"
        fake_paddle.store.add("notification", destination=url, active=True)
    assert PROVIDER.set_up(currencies=[]) == [f"Paddle sends events to {url}"]
