"""Each unpaid invoice is one invoice at Stripe, whatever crashes or runs twice.

A settled invoice is withdrawn there.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from accounts.errors import NotFoundError
from billing.collection.domain.provider import Bill
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe.objects import text
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.models import ProviderCustomer
from billing.collection.selectors.work import customer_named
from billing.collection.services import collecting as stripe_collection
from billing.collection.services.collecting import collect_due, payment_link
from billing.collection.services.customers import ensure_customer
from billing.errors import (
    InvoiceStatusError,
)
from billing.models import (
    BillingException,
    Invoice,
    Payment,
    Subscription,
)
from billing.services.invoicing.payments import record_manual_payment
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import (
    attach,
    collecting,
    customer_of,
    deliver_and_process,
    due_invoice,
    make_buyer,
    make_endpoint,
    named,
    now,
)
from tests.billing.world import STAFF, subscribe_tenant
from tests.fakestripe import shopper

pytestmark = pytest.mark.django_db
CARD = "Visa ending in 4242"


@pytest.fixture(autouse=True)
def endpoint(db: None, fake_stripe: FakeStripe) -> None:
    make_endpoint()


def owing(fake: FakeStripe, *, card: str = shopper.GOOD) -> Invoice:
    """Create a due invoice that Stripe does not know, of a tenant with a card."""
    subscription = subscribe_tenant(as_of=now())
    customer_id = ensure_customer(tenant_id=subscription.tenant_id, provider=PROVIDER).reference
    attach(fake, customer_id, card)
    return due_invoice(subscription.tenant, with_card=CARD)


def bill(invoice: Invoice, customer_id: str) -> Bill:
    """Return what Stripe is to collect."""
    assert invoice.finalized_at is not None
    return Bill(invoice.pk, str(invoice.number), customer_id, "EUR", 4900, True, 7, invoice.finalized_at)


def there(fake: FakeStripe, invoice: Invoice) -> list[tuple[str, int]]:
    return [(item["status"], item["total"]) for item in collecting(fake, invoice)]


def test_an_invoice_is_pushed_once_however_often_collection_runs(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe)

    assert [collect_due(as_of=now()).pushed for _ in range(3)] == [1, 0, 0]

    assert there(fake_stripe, invoice) == [("paid", 4900)]
    deliver_and_process(fake_stripe)
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert named(invoice)[1].startswith(fake_stripe.url)


# Each request of a push, and whether Stripe performed it before its response was lost.
REQUESTS = [
    ("GET", "/v1/invoices"),
    ("POST", "/v1/invoices"),
    ("POST", "/v1/invoiceitems"),
    ("POST", "/v1/invoices/.*/finalize"),
]


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_a_push_that_died_anywhere_is_resumed_and_charged_once(
    fake_stripe: FakeStripe, method: str, path: str, *, is_after: bool
) -> None:
    invoice = owing(fake_stripe)
    fake_stripe.control.fail(path, status=500, method=method, times=3, is_after=is_after)

    assert collect_due(as_of=now()).away
    # A day later Stripe has forgotten every Idempotency-Key.
    fake_stripe.api.reset()
    collect_due(as_of=now())

    assert there(fake_stripe, invoice) == [("paid", 4900)]
    deliver_and_process(fake_stripe)
    assert [payment.amount_minor for payment in Payment.objects.all()] == [4900]


def test_an_invoice_that_was_voided_at_stripe_can_still_be_paid_here(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe, card=shopper.FAILS_LATER)
    collect_due(as_of=now())
    invoice.refresh_from_db()
    before, _ = named(invoice)
    stripe_api.void_invoice(before)

    assert collect_due(as_of=now()).pushed == 0  # staff took it back there, so no card is charged
    links = {payment_link(invoice_id=invoice.pk, as_of=now()) for _ in range(3)}

    invoice.refresh_from_db()
    after, url = named(invoice)
    assert links == {url}
    assert after != before
    assert there(fake_stripe, invoice) == [("void", 4900), ("open", 4900)]


@pytest.mark.django_db(transaction=True)
def test_collectors_at_once_create_one_invoice(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe)

    def collect(_: int) -> None:
        try:
            collect_due(as_of=now())
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(collect, range(6)))
    collect_due(as_of=now())

    assert there(fake_stripe, invoice) == [("paid", 4900)]


@pytest.mark.django_db(transaction=True)
def test_a_customer_created_by_several_at_once_is_one_customer(fake_stripe: FakeStripe) -> None:
    tenant = make_buyer()

    def ensure(_: int) -> str:
        try:
            return ensure_customer(tenant_id=tenant.pk, provider=PROVIDER).reference
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(ensure, range(6)))

    assert len(ids) == len(fake_stripe.store.all("customer")) == 1
    assert ProviderCustomer.objects.get().reference in ids


def test_control_without_the_idempotency_key_there_are_several_customers(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = make_buyer()
    monkeypatch.setattr(stripe_api, "once", lambda key: {"idempotency_key": f"{key}-{uuid4()}"})

    for _ in range(2):
        stripe_api.create_customer(tenant_id=tenants.pk)

    assert len(fake_stripe.store.all("customer")) == 2


def test_an_invoice_without_a_card_waits_and_is_paid_by_its_link(fake_stripe: FakeStripe) -> None:
    subscription = subscribe_tenant(as_of=now())
    invoice = due_invoice(subscription.tenant)
    assert collect_due(as_of=now()).pushed == 0

    url = payment_link(invoice_id=invoice.pk, as_of=now())
    assert payment_link(invoice_id=invoice.pk, as_of=now()) == url
    assert there(fake_stripe, invoice) == [("open", 4900)]
    shopper.type_card(url)

    deliver_and_process(fake_stripe)
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    with pytest.raises(InvoiceStatusError):
        payment_link(invoice_id=invoice.pk, as_of=now())
    with pytest.raises(NotFoundError):
        payment_link(invoice_id=uuid4(), as_of=now())


def test_a_failed_charge_is_on_record_and_the_same_invoice_can_be_paid_by_hand(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe, card=shopper.FAILS_LATER)
    collect_due(as_of=now())
    deliver_and_process(fake_stripe)

    invoice.refresh_from_db()
    assert (invoice.status, bool(invoice.payment_failed_at)) == ("finalized", True)
    assert "declined" in invoice.payment_error
    assert Subscription.objects.get().status == "past_due"

    shopper.type_card(payment_link(invoice_id=invoice.pk, as_of=now()))
    deliver_and_process(fake_stripe)
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert Subscription.objects.get().status == "active"
    assert sorted(Payment.objects.values_list("status", flat=True)) == ["failed", "succeeded"]


def void(invoice: Invoice) -> None:
    void_invoice(invoice_id=invoice.pk, reason="a mistake", actor=STAFF, as_of=now())


def give_up(invoice: Invoice) -> None:
    mark_uncollectible(invoice_id=invoice.pk, reason="gone", actor=STAFF, as_of=now())


def credit(invoice: Invoice) -> None:
    issue_credit_note(invoice_id=invoice.pk, reason="a mistake", actor=STAFF, as_of=now())


def pay_by_transfer(invoice: Invoice) -> None:
    record_manual_payment(
        invoice_id=invoice.pk, reference="bank 1", amount_minor=4900, currency="EUR", occurred_at=now(), actor=STAFF,
        as_of=now() + timedelta(seconds=1),
    )  # fmt: skip


@pytest.mark.parametrize("settle", [void, give_up, credit, pay_by_transfer])
def test_an_invoice_settled_here_is_withdrawn_at_stripe(fake_stripe: FakeStripe, settle: Any) -> None:
    invoice = owing(fake_stripe, card=shopper.FAILS_LATER)
    collect_due(as_of=now())
    settle(invoice)

    assert [collect_due(as_of=now()).taken_back for _ in range(2)] == [1, 0]

    assert there(fake_stripe, invoice) == [("void", 4900)]
    assert named(invoice) == ("", "")


def test_a_payment_of_a_void_invoice_is_kept_and_needs_a_person(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe, card=shopper.FAILS_LATER)
    url = payment_link(invoice_id=invoice.pk, as_of=now())
    void(invoice)
    shopper.type_card(url)

    assert collect_due(as_of=now()).refused  # Stripe was paid
    deliver_and_process(fake_stripe)

    assert [exception.code for exception in BillingException.objects.all()] == ["unmatched_payment"]
    assert collect_due(as_of=now()).refused == []  # and is not called again


def test_an_invoice_that_was_settled_while_it_was_pushed_is_not_charged(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = owing(fake_stripe)
    added = stripe_api.add_invoice_item

    def add_and_void(**item: Any) -> Any:
        described = added(**item)
        void(invoice)
        return described

    monkeypatch.setattr(stripe_api, "add_invoice_item", add_and_void)
    collect_due(as_of=now())

    assert there(fake_stripe, invoice) == []


def test_an_invoice_that_stripe_refuses_is_reported(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe)
    fake_stripe.control.fail("/v1/invoiceitems", status=400, times=1, message="No.")

    done = collect_due(as_of=now())

    assert done.refused == [f"{invoice.number}: No."]
    assert collect_due(as_of=now()).pushed == 1


def test_a_draft_at_stripe_over_another_amount_needs_a_person(fake_stripe: FakeStripe) -> None:
    invoice = owing(fake_stripe)
    customer_id = ProviderCustomer.objects.get().reference
    draft = stripe_api.create_invoice(bill(invoice, customer_id), generation=0)
    stripe_api.add_invoice_item(
        stripe_invoice_id=text(draft, "id"), customer_id=customer_id, amount=1, currency="EUR", description=""
    )

    assert "over 1, ours over 4900" in collect_due(as_of=now()).refused[0]
    assert there(fake_stripe, invoice) == [("draft", 1)]


def test_an_invoice_settled_while_others_are_collected_is_left_alone(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = owing(fake_stripe)
    url_asked = stripe_api.invoices_for

    def void_then_ask(*asked: Any, **how: Any) -> Any:
        answer = url_asked(*asked, **how)
        void(invoice)
        return answer

    # Pushed before, by a worker that died. Void when this worker reaches it.
    described = stripe_api.create_invoice(bill(invoice, customer_of(invoice.tenant).reference), generation=0)
    stripe_api.finalize_invoice(text(described, "id"))
    monkeypatch.setattr(stripe_api, "invoices_for", void_then_ask)

    with pytest.raises(InvoiceStatusError, match="just now"):
        payment_link(invoice_id=invoice.pk, as_of=now())


def test_an_invoice_that_turned_void_before_its_turn_is_not_pushed(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = owing(fake_stripe)
    due = stripe_collection.invoices_to_collect

    def due_then_void(**asked: Any) -> Any:
        found = due(**asked)
        kept = list(found)
        if kept:
            void(invoice)
        return kept

    monkeypatch.setattr(stripe_collection, "invoices_to_collect", due_then_void)
    collect_due(as_of=now())

    assert there(fake_stripe, invoice) == []


@pytest.mark.parametrize("state", ["draft", "void"])
def test_an_unfinished_or_manually_ended_invoice_at_stripe_is_withdrawn_too(
    fake_stripe: FakeStripe, state: str
) -> None:
    invoice = owing(fake_stripe)
    fake_stripe.control.fail("/v1/invoices/.*/finalize", status=400, times=1)
    collect_due(as_of=now())
    [draft] = collecting(fake_stripe, invoice)
    if state == "void":
        stripe_api.finalize_invoice(draft["id"])
        stripe_api.void_invoice(draft["id"])
    void(invoice)

    assert collect_due(as_of=now()).taken_back == 1
    assert [status for status, _ in there(fake_stripe, invoice)] == ([] if state == "draft" else ["void"])


def test_an_event_without_a_customer_belongs_to_no_tenant() -> None:
    assert customer_named(provider="stripe", reference="") is None
