"""Customers, their cards, and the outcome of each test card."""

from typing import Any

import pytest
import stripe

from config.workbench.fakestripe.server import FakeStripe
from tests.fakestripe.shopper import DECLINED, FAILS_LATER, GOOD, NO_FUNDS


def card(number: str, **fields: object) -> stripe.PaymentMethod:
    details = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123", **fields}
    return stripe.PaymentMethod.create(type="card", card=details)


def test_a_customer_has_the_shape_that_stripe_gives_it(customer: stripe.Customer) -> None:
    assert customer.id.startswith("cus_")
    assert (customer.email, customer.to_dict()["metadata"]["tenant"], customer.balance) == (
        "ada@acme.example",
        "acme",
        0,
    )
    assert customer.invoice_settings.default_payment_method is None
    assert customer.last_response.headers["Stripe-Version"] == "2026-05-27.dahlia"


def test_a_deleted_customer_is_remembered_as_such(customer: stripe.Customer) -> None:
    assert stripe.Customer.delete(customer.id).deleted
    assert stripe.Customer.retrieve(customer.id).deleted
    assert not stripe.Customer.list().data
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        stripe.Customer.modify(customer.id, name="x")


def test_a_good_card_is_attached_and_becomes_the_default(payer: stripe.Customer) -> None:
    [method] = stripe.PaymentMethod.list(customer=payer.id, type="card").data
    assert (method.card.brand, method.card.last4, method.customer) == ("visa", "4242", payer.id)
    assert payer.invoice_settings.default_payment_method == method.id
    assert [item.id for item in stripe.Customer.list_payment_methods(payer.id).data] == [method.id]


def test_a_default_must_be_the_customers_own_card(customer: stripe.Customer) -> None:
    other = stripe.Customer.create()
    method = stripe.PaymentMethod.attach(card(GOOD).id, customer=other.id)
    with pytest.raises(stripe.InvalidRequestError, match="does not have a payment method"):
        stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": method.id})
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        stripe.PaymentMethod.attach(method.id, customer=customer.id)


def test_a_detached_card_is_no_longer_a_default(payer: stripe.Customer) -> None:
    stripe.PaymentMethod.detach(payer.invoice_settings.default_payment_method)
    assert stripe.Customer.retrieve(payer.id).invoice_settings.default_payment_method is None
    assert not stripe.PaymentMethod.list(customer=payer.id).data


@pytest.mark.parametrize(
    ("number", "code", "decline_code"),
    [
        (DECLINED, "card_declined", "generic_decline"),
        (NO_FUNDS, "card_declined", "insufficient_funds"),
        ("4000000000009987", "card_declined", "lost_card"),
        ("4000000000000069", "expired_card", None),
        ("4000000000000127", "incorrect_cvc", None),
        ("4000000000000119", "processing_error", None),
    ],
)
def test_a_bad_card_is_refused_when_it_is_saved(
    customer: stripe.Customer, number: str, code: str, decline_code: str | None
) -> None:
    method = card(number)
    with pytest.raises(stripe.CardError) as refused:
        stripe.PaymentMethod.attach(method.id, customer=customer.id)
    assert (refused.value.http_status, refused.value.code) == (402, code)
    assert refused.value.error.decline_code == decline_code


def test_one_card_is_saved_and_refused_when_it_is_charged(customer: stripe.Customer) -> None:
    method = stripe.PaymentMethod.attach(card(FAILS_LATER).id, customer=customer.id)
    with pytest.raises(stripe.CardError) as refused:
        stripe.PaymentIntent.create(
            amount=100, currency="eur", customer=customer.id, payment_method=method.id, confirm=True, off_session=True
        )
    assert refused.value.error.payment_intent.status == "requires_payment_method"
    charge = stripe.Charge.retrieve(refused.value.error.charge)
    assert (charge.status, charge.failure_code, charge.outcome.reason) == ("failed", "card_declined", "generic_decline")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"number": "4242424242424241"}, "incorrect_number"),
        ({"number": "abc"}, "incorrect_number"),
        ({"number": "4111111111111111"}, "card_declined"),
        ({"exp_month": 13}, "invalid_expiry_month"),
        ({"exp_year": 2020}, "invalid_expiry_year"),
        ({"cvc": "1"}, "invalid_cvc"),
    ],
)
def test_a_mistyped_card_is_refused(fake_stripe: FakeStripe, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(stripe.CardError) as refused:
        card(**{"number": GOOD, **fields})
    assert refused.value.code == code


def test_a_payment_intent_charges_a_good_card(payer: stripe.Customer) -> None:
    method = payer.invoice_settings.default_payment_method
    intent = stripe.PaymentIntent.create(amount=1234, currency="EUR", customer=payer.id, payment_method=method)
    assert intent.status == "requires_confirmation"
    intent = stripe.PaymentIntent.confirm(intent.id, expand=["latest_charge.balance_transaction"])
    assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 1234, "eur")
    assert (intent.latest_charge.paid, intent.latest_charge.balance_transaction.net) == (True, 1234)
    with pytest.raises(stripe.InvalidRequestError, match="status is succeeded"):
        stripe.PaymentIntent.confirm(intent.id)


def test_a_setup_intent_saves_a_card_or_says_why_not(customer: stripe.Customer) -> None:
    intent = stripe.SetupIntent.create(customer=customer.id)
    with pytest.raises(stripe.CardError):
        stripe.SetupIntent.confirm(intent.id, payment_method="pm_card_chargeDeclined")
    assert stripe.SetupIntent.retrieve(intent.id).last_setup_error.decline_code == "generic_decline"
    done = stripe.SetupIntent.confirm(intent.id, payment_method="pm_card_visa")
    assert (done.status, done.last_setup_error) == ("succeeded", None)
    assert [item.id for item in stripe.PaymentMethod.list(customer=customer.id).data] == [done.payment_method]
