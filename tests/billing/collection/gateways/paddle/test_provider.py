"""A subscription's life through the fake Paddle: what each event changes here, delivered to the real webhook."""

import pytest

from billing.collection.models import InboxEvent, ProviderInvoice
from billing.collection.services.checkout import open_billing_portal
from billing.collection.services.collecting import collect_due, payment_link
from billing.models import BillingProfile, Invoice, Payment
from billing.services.invoicing.staff_actions import void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription, undo_pending
from config.workbench.fakepaddle.server import FakePaddle
from tests.billing.collection.paddle_world import agreed, buy, buyer, charges, deliver_and_process, subscribed
from tests.billing.collection.stripe_world import now
from tests.billing.world import STAFF, make_plan
from tests.fakestripe import shopper

pytestmark = pytest.mark.django_db


def test_a_checkout_subscribes_the_tenant_and_its_statement_is_charged_without_our_tax(fake_paddle: FakePaddle) -> None:
    subscription = subscribed(fake_paddle)

    invoice = Invoice.objects.get(subscription=subscription)
    assert (invoice.number, invoice.merchant_of_record) == ("STMT-2026-000001", "Paddle")
    assert (invoice.status, invoice.total_minor, invoice.tax_minor) == ("finalized", 4900, 0)
    [charged] = charges(fake_paddle)
    assert charged["details"]["totals"]["subtotal"] == "4900"
    assert charged["details"]["totals"]["tax"] == "980", "Paddle adds the tax"
    assert ProviderInvoice.objects.get(invoice=invoice).reference == charged["id"]

    run = deliver_and_process(fake_paddle)

    assert run.failed == []
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    payment = Payment.objects.get()
    assert (payment.provider, payment.reference, payment.amount_minor) == ("paddle", charged["id"], 4900)
    assert BillingProfile.objects.get().card_label == "Visa ending in 4242"
    assert set(InboxEvent.objects.values_list("status", flat=True)) <= {"processed", "ignored"}


def test_a_declined_card_buys_nothing_and_a_good_card_after_it_does(fake_paddle: FakePaddle) -> None:
    tenant, plan = buyer(), make_plan()
    assert buy(tenant, plan, card=shopper.DECLINED).status == 402
    deliver_and_process(fake_paddle)
    assert not Invoice.objects.exists()
    buy(tenant, plan)
    deliver_and_process(fake_paddle)
    assert Invoice.objects.get().tenant == tenant


def test_a_charge_that_fails_is_on_record_and_paid_by_another_card(fake_paddle: FakePaddle) -> None:
    subscription = subscribed(fake_paddle, card=shopper.FAILS_LATER)
    deliver_and_process(fake_paddle)
    invoice = Invoice.objects.get()
    failed = Payment.objects.get()
    assert (invoice.status, failed.status, failed.error) == ("finalized", "failed", "The card was declined.")
    assert agreed(subscription).status == "past_due"

    url = payment_link(invoice_id=invoice.pk, as_of=now())
    shopper.type_card(url)
    deliver_and_process(fake_paddle)

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert len(charges(fake_paddle)) == 1, "it was paid by the same transaction"
    assert (agreed(subscription).status, BillingProfile.objects.get().card_label) == ("active", "Visa ending in 4242")


def test_a_cancellation_at_paddle_is_applied_and_undone(fake_paddle: FakePaddle) -> None:
    subscription = subscribed(fake_paddle)
    url = open_billing_portal(tenant=subscription.tenant, return_url="http://testserver/", actor=STAFF, as_of=now())
    shopper.press(url, "cancel", agreed(subscription).reference)
    deliver_and_process(fake_paddle)
    subscription.refresh_from_db()
    assert subscription.is_cancelled_at_period_end
    shopper.press(url, "renew", agreed(subscription).reference)
    deliver_and_process(fake_paddle)
    subscription.refresh_from_db()
    assert not subscription.is_cancelled_at_period_end


def test_a_cancellation_here_is_sent_to_paddle(fake_paddle: FakePaddle) -> None:
    subscription = subscribed(fake_paddle)
    there = fake_paddle.store.objects["subscription"][agreed(subscription).reference]
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=now())
    collect_due(as_of=now())
    assert there["scheduled_change"]["action"] == "cancel"
    subscription.refresh_from_db()
    undo_pending(subscription=subscription, actor=STAFF, as_of=now())
    collect_due(as_of=now())
    assert there["scheduled_change"] is None
    subscription.refresh_from_db()
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=now())
    assert collect_due(as_of=now()).agreements.told == 1
    assert there["status"] == "canceled"


def test_a_subscription_that_paddle_ended_ends_here(fake_paddle: FakePaddle) -> None:
    subscription = subscribed(fake_paddle)
    fake_paddle.act("cancel", agreed(subscription).reference)
    deliver_and_process(fake_paddle)
    subscription.refresh_from_db()
    assert subscription.status == "cancelled"


def test_a_paused_subscription_is_not_charged_and_its_statement_is_paid_on_a_page(fake_paddle: FakePaddle) -> None:
    subscription = subscribed(fake_paddle)
    deliver_and_process(fake_paddle)
    fake_paddle.act("pause", agreed(subscription).reference)
    deliver_and_process(fake_paddle)
    assert agreed(subscription).status == "paused"
    assert BillingProfile.objects.get().card_label == ""
    fake_paddle.act("resume", agreed(subscription).reference)
    deliver_and_process(fake_paddle)
    assert (agreed(subscription).status, BillingProfile.objects.get().card_label) == ("active", "Visa ending in 4242")


def test_a_statement_that_is_voided_here_is_cancelled_at_paddle(fake_paddle: FakePaddle) -> None:
    subscribed(fake_paddle, card=shopper.FAILS_LATER)
    deliver_and_process(fake_paddle)
    invoice = Invoice.objects.get()
    void_invoice(invoice_id=invoice.pk, reason="a mistake", actor=STAFF, as_of=now())
    assert collect_due(as_of=now()).taken_back == 1
    assert [one["status"] for one in charges(fake_paddle)] == ["canceled"]
    assert not ProviderInvoice.objects.exists()
