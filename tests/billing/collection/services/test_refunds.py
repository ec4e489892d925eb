"""Refunds and disputes at Stripe: recorded once, in any order, and posted to the ledger of accounts."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Sum

from billing.collection.models import InboxEvent, ProviderRefund
from billing.collection.services.collecting import collect_due
from billing.collection.services.inbox import process_inbox
from billing.ledger.models import Posting
from billing.models import (
    BillingException,
    Invoice,
    InvoiceHold,
    Payment,
    PaymentDispute,
    PaymentRefund,
    Subscription,
)
from billing.services.invoicing.allocating import take_back_allocation
from billing.services.invoicing.going_back import end_hold
from billing.services.invoicing.refunding import record_refund
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import (
    collecting,
    deliver,
    deliver_and_process,
    handled,
    make_endpoint,
    now,
    subscribed,
)
from tests.billing.world import STAFF

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


@pytest.fixture
def paid(fake_stripe: FakeStripe) -> Invoice:
    """Return an invoice over 49.00 that Stripe has collected."""
    make_endpoint()
    tenant = subscribed(fake_stripe).tenant
    deliver_and_process(fake_stripe)
    invoice = Invoice.objects.get(tenant=tenant)
    assert invoice.status == "paid"
    return invoice


def balances() -> dict[str, int]:
    """Return the accounts that money moves on, without those that come to 0."""
    sums = Posting.objects.values_list("account").annotate(Sum("amount_minor"))
    return {account: minor for account, minor in sums if minor and account not in {"revenue", "deferred", "tax"}}


def intent_of(fake: FakeStripe) -> str:
    [intent] = [intent for intent in fake.store.all("payment_intent") if intent["status"] == "succeeded"]
    return str(intent["id"])


def at_stripe(fake: FakeStripe, **parameters: Any) -> Json:
    """Refund in Stripe's dashboard."""
    body = "&".join(f"{name}={value}" for name, value in {"payment_intent": intent_of(fake), **parameters}.items())
    headers = {"authorization": "Bearer sk_test_countinghouseFakeStripe000"}
    answer = fake.api.respond("POST", "refunds", "", headers, body.encode())
    assert answer.status == 200, answer
    return fake.store.all("refund")[-1]


def order_refund(invoice: Invoice, amount_minor: int = 1000) -> PaymentRefund:
    """Free the money and order a refund through the provider, as staff do."""
    payment = Payment.objects.get(invoice=invoice, status="succeeded")
    if payment.allocated_minor:
        take_back_allocation(payment_id=payment.pk, invoice_id=invoice.pk, reason="Goodwill.", actor=STAFF, as_of=now())
    return record_refund(
        payment_id=payment.pk, amount_minor=amount_minor, way="provider", reference="", reason="Goodwill.",
        occurred_at=now(), actor=STAFF, as_of=now(),
    )  # fmt: skip


def test_a_refund_at_stripe_is_posted_and_holds_the_invoice(fake_stripe: FakeStripe, paid: Invoice) -> None:
    at_stripe(fake_stripe, amount=1000, reason="requested_by_customer")
    deliver_and_process(fake_stripe)

    paid.refresh_from_db()
    [refund] = PaymentRefund.objects.all()
    assert (refund.amount_minor, refund.reason) == (1000, "Refunded at the provider: requested by customer.")
    assert (paid.status, paid.amount_due_minor) == ("finalized", 1000)
    assert InvoiceHold.objects.get().invoice == paid
    assert balances() == {"clearing": 3900, "receivable": 1000}
    [case] = BillingException.objects.filter(resolved_at=None)
    assert case.code == "money_went_back"
    assert f"{paid.number}, now on hold" in case.detail


def test_an_invoice_on_hold_is_neither_collected_nor_past_due(fake_stripe: FakeStripe, paid: Invoice) -> None:
    at_stripe(fake_stripe, amount=1000)
    deliver_and_process(fake_stripe)

    collect_due(as_of=now() + timedelta(days=60))

    assert len(collecting(fake_stripe, paid)) == 1
    assert Subscription.objects.get().status == "active"
    end_hold(invoice_id=paid.pk, reason="The customer agreed.", actor=STAFF, as_of=now())
    assert not InvoiceHold.objects.exists()
    assert list(Invoice.objects.unpaid()) == [paid]


def test_refunds_in_parts_and_all_events_in_any_order_count_once(fake_stripe: FakeStripe, paid: Invoice) -> None:
    before = {event["id"] for event in handled(fake_stripe)}
    at_stripe(fake_stripe, amount=1000)
    at_stripe(fake_stripe, amount=2000)
    at_stripe(fake_stripe)
    fresh = [event for event in handled(fake_stripe) if event["id"] not in before]
    events = fresh * 20
    random.Random(13).shuffle(events)

    deliver(fake_stripe, events)
    process_inbox(as_of=now())

    assert len(fresh) == 6
    assert sorted(PaymentRefund.objects.values_list("amount_minor", flat=True)) == [1000, 1900, 2000]
    assert balances() == {"receivable": 4900}
    assert not InboxEvent.objects.exclude(status__in=["processed", "ignored"]).exists()


def test_a_refund_is_recorded_although_its_payment_is_told_later(fake_stripe: FakeStripe) -> None:
    make_endpoint()
    tenant = subscribed(fake_stripe).tenant  # the payment's event is not delivered yet
    at_stripe(fake_stripe, amount=1000)
    events = [event for event in handled(fake_stripe) if event["type"] == "refund.created"]

    deliver_and_process(fake_stripe, events)

    assert PaymentRefund.objects.get().amount_minor == 1000
    deliver_and_process(fake_stripe)
    assert Payment.objects.get(invoice__tenant=tenant).refunded_minor == 1000


def test_staff_refund_through_stripe_once(fake_stripe: FakeStripe, paid: Invoice) -> None:
    refund = order_refund(paid)

    assert collect_due(as_of=now()).refunds == 1
    assert collect_due(as_of=now()).refunds == 0
    deliver_and_process(fake_stripe)

    [there] = fake_stripe.store.all("refund")
    assert (there["amount"], there["metadata"]) == (1000, {"countinghouse_refund": str(refund.pk)})
    row = ProviderRefund.objects.get()
    assert (row.refund, row.reference, row.status) == (refund, there["id"], "succeeded")
    assert PaymentRefund.objects.count() == 1
    assert balances() == {"clearing": 3900, "receivable": 4900, "unallocated": -3900}


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_refund_whose_answer_was_lost_is_made_once(fake_stripe: FakeStripe, paid: Invoice, *, is_after: bool) -> None:
    order_refund(paid)
    fake_stripe.control.fail("/v1/refunds", status=0, method="POST", times=3, is_after=is_after)

    assert collect_due(as_of=now()).away
    deliver_and_process(fake_stripe)
    collect_due(as_of=now())

    assert len(fake_stripe.store.all("refund")) == 1
    assert ProviderRefund.objects.get().status == "succeeded"
    assert Payment.objects.get(invoice=paid).refunded_minor == 1000


def test_a_refund_that_stripe_refuses_gives_the_money_back_to_the_customers_account(
    fake_stripe: FakeStripe, paid: Invoice
) -> None:
    at_stripe(fake_stripe)  # all of it, and its event is not delivered yet
    refund = order_refund(paid)

    done = collect_due(as_of=now())

    assert "already been refunded" in done.refused[0]
    assert ProviderRefund.objects.get().status == "failed"
    assert refund.reversed_by.amount_minor == -1000
    payment = Payment.objects.get(invoice=paid)
    assert payment.refunded_minor == 0
    assert payment.unallocated_minor == 4900
    assert BillingException.objects.filter(resolved_at=None, code="unmatched_payment").count() == 1


@pytest.mark.parametrize("is_ordered", [True, False], ids=["ordered here", "made at Stripe"])
def test_a_refund_that_fails_later_is_taken_back_once(
    fake_stripe: FakeStripe, paid: Invoice, *, is_ordered: bool
) -> None:
    if is_ordered:
        order_refund(paid)
        collect_due(as_of=now())
    else:
        at_stripe(fake_stripe, amount=1000)
    deliver_and_process(fake_stripe)
    [there] = fake_stripe.store.all("refund")

    fake_stripe.control.fail_refund(there["id"])
    deliver_and_process(fake_stripe)
    deliver_and_process(fake_stripe, [event for event in handled(fake_stripe) if event["type"].startswith("refund.")])

    assert sorted(PaymentRefund.objects.values_list("amount_minor", flat=True)) == [-1000, 1000]
    assert balances()["clearing"] == 4900
    assert "expired or canceled card" in BillingException.objects.get(resolved_at=None).detail


def test_a_dispute_takes_the_money_until_it_is_won(fake_stripe: FakeStripe, paid: Invoice) -> None:
    dispute = fake_stripe.control.dispute(intent_of(fake_stripe))
    deliver_and_process(fake_stripe)

    paid.refresh_from_db()
    assert (paid.status, PaymentDispute.objects.get().state) == ("paid", "open")
    assert balances() == {"disputed": 4900}
    [case] = BillingException.objects.filter(resolved_at=None)
    assert case.code == "payment_disputed"
    assert "Send evidence" in case.detail

    fake_stripe.control.close_dispute(dispute["id"], "won")
    deliver_and_process(fake_stripe)

    assert PaymentDispute.objects.get().state == "won"
    assert balances() == {"clearing": 4900}
    assert not BillingException.objects.filter(resolved_at=None).exists()


def test_a_lost_dispute_takes_the_money_back_from_the_invoice(fake_stripe: FakeStripe, paid: Invoice) -> None:
    dispute = fake_stripe.control.dispute(intent_of(fake_stripe))
    fake_stripe.control.close_dispute(dispute["id"], "lost")
    deliver_and_process(fake_stripe)
    deliver_and_process(fake_stripe, [event for event in handled(fake_stripe) if "dispute" in event["type"]] * 3)

    paid.refresh_from_db()
    assert (paid.status, paid.amount_due_minor) == ("finalized", 4900)
    [refund] = PaymentRefund.objects.all()
    assert (refund.way, refund.reference) == ("chargeback", dispute["id"])
    assert balances() == {"receivable": 4900}
    assert InvoiceHold.objects.exists()


def test_an_inquiry_moves_no_money(fake_stripe: FakeStripe, paid: Invoice) -> None:
    dispute = fake_stripe.control.dispute(intent_of(fake_stripe), "warning_needs_response")
    deliver_and_process(fake_stripe)
    assert balances() == {"clearing": 4900}
    assert PaymentDispute.objects.get().state == "inquiry"

    fake_stripe.control.close_dispute(dispute["id"], "warning_closed")
    deliver_and_process(fake_stripe)

    assert PaymentDispute.objects.get().state == "won"
    assert balances() == {"clearing": 4900}


def test_a_refund_of_another_systems_charge_is_ignored(fake_stripe: FakeStripe, paid: Invoice) -> None:
    customer = fake_stripe.store.all("customer")[0]["id"]
    body = f"amount=500&currency=eur&customer={customer}&payment_method=pm_card_visa&confirm=true"
    headers = {"authorization": "Bearer sk_test_countinghouseFakeStripe000"}
    fake_stripe.api.respond("POST", "payment_intents", "", headers, body.encode())
    other = fake_stripe.store.all("payment_intent")[-1]["id"]
    fake_stripe.api.respond("POST", "refunds", "", headers, f"payment_intent={other}".encode())

    deliver_and_process(fake_stripe)

    assert set(InboxEvent.objects.filter(type="refund.created").values_list("status", flat=True)) == {"ignored"}
