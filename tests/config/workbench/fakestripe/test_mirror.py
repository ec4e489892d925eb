"""dj-stripe reads the fake's objects as it reads Stripe's."""

import json

import pytest
import stripe
from djstripe import models as mirror

from config.workbench.fakestripe.deliveries import body_of
from config.workbench.fakestripe.server import FakeStripe
from tests.fakestripe.shopper import type_card

pytestmark = pytest.mark.django_db


def test_customers_cards_products_and_prices_are_mirrored(payer: stripe.Customer, agreement: stripe.Price) -> None:
    customer = mirror.Customer.sync_from_stripe_data(stripe.Customer.retrieve(payer.id))
    assert (customer.email, customer.name) == ("ada@acme.example", "Acme")
    method = stripe.PaymentMethod.retrieve(payer.invoice_settings.default_payment_method)
    assert mirror.PaymentMethod.sync_from_stripe_data(method).stripe_data["card"]["last4"] == "4242"
    price = mirror.Price.sync_from_stripe_data(agreement)
    assert price.product.name == "Billing agreement"


def test_a_subscription_and_its_invoices_are_mirrored(
    fake_stripe: FakeStripe, payer: stripe.Customer, agreement: stripe.Price
) -> None:
    made = stripe.Subscription.create(customer=payer.id, items=[{"price": agreement.id}])
    subscription = mirror.Subscription.sync_from_stripe_data(stripe.Subscription.retrieve(made.id))
    assert (subscription.status, subscription.customer.id) == ("active", payer.id)
    assert subscription.items.count() == 1
    invoice = mirror.Invoice.sync_from_stripe_data(stripe.Invoice.retrieve(made.latest_invoice))
    assert (invoice.status, invoice.customer.id) == ("paid", payer.id)
    fake_stripe.control.end_period(made.id)
    stripe.Subscription.cancel(made.id)
    assert mirror.Subscription.sync_from_stripe_data(stripe.Subscription.retrieve(made.id)).status == "canceled"


def test_a_payment_and_its_charge_are_mirrored(payer: stripe.Customer) -> None:
    invoice = stripe.Invoice.create(customer=payer.id, currency="eur")
    stripe.InvoiceItem.create(customer=payer.id, invoice=invoice.id, amount=4900, currency="eur")
    stripe.Invoice.pay(invoice.id)
    whole = stripe.Invoice.retrieve(invoice.id, expand=["payments.data.payment.payment_intent"])
    [payment] = whole.payments.data
    intent = mirror.PaymentIntent.sync_from_stripe_data(payment.payment.payment_intent)
    assert (intent.stripe_data["amount"], intent.stripe_data["status"]) == (4900, "succeeded")
    charge = mirror.Charge.sync_from_stripe_data(stripe.Charge.retrieve(intent.stripe_data["latest_charge"]))
    assert (charge.amount, charge.customer.id) == (49, payer.id)
    assert mirror.Invoice.sync_from_stripe_data(whole).stripe_data["number"] == whole.number


def test_a_checkout_is_mirrored(customer: stripe.Customer, agreement: stripe.Price) -> None:
    session = stripe.checkout.Session.create(
        mode="subscription",
        customer=customer.id,
        line_items=[{"price": agreement.id, "quantity": 1}],
        success_url="https://shop.example/",
    )
    type_card(session.url)
    done = mirror.Session.sync_from_stripe_data(stripe.checkout.Session.retrieve(session.id))
    assert (done.customer.id, done.subscription.status) == (customer.id, "active")


def test_the_account_is_mirrored(fake_stripe: FakeStripe) -> None:
    account = mirror.Account.sync_from_stripe_data(stripe.Account.retrieve())
    assert (account.country, account.get_stripe_dashboard_url() is not None) == ("DE", True)


def test_every_event_of_a_life_is_mirrored(
    fake_stripe: FakeStripe, payer: stripe.Customer, agreement: stripe.Price
) -> None:
    made = stripe.Subscription.create(customer=payer.id, items=[{"price": agreement.id}])
    stripe.Subscription.modify(made.id, cancel_at_period_end=True)
    fake_stripe.control.end_period(made.id)
    for event in fake_stripe.events():
        mirror.Event.sync_from_stripe_data(json.loads(body_of(fake_stripe.store, event)))
    assert mirror.Event.objects.count() == len(fake_stripe.events())
