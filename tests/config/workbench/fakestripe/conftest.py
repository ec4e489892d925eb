"""The fixtures of the fake's own tests: a customer, with a card or without, and a price of zero."""

import pytest
import stripe

from config.workbench.fakestripe.server import FakeStripe


@pytest.fixture
def customer(fake_stripe: FakeStripe) -> stripe.Customer:
    return stripe.Customer.create(email="ada@acme.example", name="Acme", metadata={"tenant": "acme"})


@pytest.fixture
def agreement(fake_stripe: FakeStripe) -> stripe.Price:
    """Create the zero-amount monthly price that a checkout of ours is about."""
    product = stripe.Product.create(name="Billing agreement")
    return stripe.Price.create(product=product.id, currency="eur", unit_amount=0, recurring={"interval": "month"})


@pytest.fixture
def payer(customer: stripe.Customer) -> stripe.Customer:
    """Create a customer with a good card as default."""
    card = stripe.PaymentMethod.attach("pm_card_visa", customer=customer.id)
    return stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": card.id})
