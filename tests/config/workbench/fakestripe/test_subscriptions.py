"""A subscription's life, and the checkout that begins it."""

import pytest
import stripe

from config.workbench.fakestripe.server import FakeStripe
from tests.fakestripe.shopper import DECLINED, FAILS_LATER, open_page, press, type_card


def checkout(
    agreement: stripe.Price, customer: stripe.Customer | None = None, **fields: object
) -> stripe.checkout.Session:
    who = {"customer": customer.id} if customer else {}
    return stripe.checkout.Session.create(
        mode="subscription",
        line_items=[{"price": agreement.id, "quantity": 1}],
        payment_method_collection="always",
        success_url="https://shop.example/done?session={CHECKOUT_SESSION_ID}",
        cancel_url="https://shop.example/plans",
        custom_text={"submit": {"message": "Team: EUR 49.00 a month <and usage>"}},
        metadata={"tenant": "acme"},
        subscription_data={"metadata": {"tenant": "acme"}},
        **who,
        **fields,
    )


def test_checkout_shows_the_agreement(agreement: stripe.Price, customer: stripe.Customer) -> None:
    session = checkout(agreement, customer)
    assert (session.status, session.payment_status, session.subscription) == ("open", "unpaid", None)
    page = open_page(session.url)
    assert page.status == 200
    for words in ("Billing agreement", "Team: EUR 49.00 a month &lt;and usage&gt;", "ada@acme.example", "EUR 0.00"):
        assert words in page.text
    assert "Fake Stripe" in page.text
    assert "4000 0000 0000 0002" in page.text


def test_a_declined_card_shows_an_error_and_a_good_one_subscribes(
    fake_stripe: FakeStripe, agreement: stripe.Price, customer: stripe.Customer
) -> None:
    session = checkout(agreement, customer)
    refused = type_card(session.url, DECLINED)
    assert (refused.status, "Your card was declined." in refused.text) == (402, True)
    assert stripe.checkout.Session.retrieve(session.id).status == "open"
    assert not stripe.Subscription.list().data

    accepted = type_card(session.url)
    assert (accepted.status, accepted.location) == (303, f"https://shop.example/done?session={session.id}")
    done = stripe.checkout.Session.retrieve(session.id, expand=["subscription", "line_items"])
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert (done.subscription.status, done.subscription.metadata["tenant"]) == ("active", "acme")
    assert done.customer_details.email == "ada@acme.example"
    assert done.line_items.data[0].price.id == agreement.id
    # The card belongs to the subscription; the customer's own default is for us to set.
    method = stripe.PaymentMethod.retrieve(done.subscription.default_payment_method)
    assert (method.customer, method.card.last4) == (customer.id, "4242")
    assert stripe.Customer.retrieve(customer.id).invoice_settings.default_payment_method is None
    kinds = [event["type"] for event in fake_stripe.events()]
    assert kinds.index("customer.subscription.created") < kinds.index("checkout.session.completed")
    assert type_card(session.url).status == 303
    assert len(stripe.Subscription.list().data) == 1


def test_checkout_creates_a_customer_if_there_is_none(agreement: stripe.Price) -> None:
    session = checkout(agreement, customer_email="new@acme.example")
    type_card(session.url)
    done = stripe.checkout.Session.retrieve(session.id, expand=["customer"])
    assert (done.customer.email, done.customer.name) == ("new@acme.example", "Ada Lovelace")


def test_a_card_that_fails_later_is_accepted_by_a_checkout_over_zero(
    agreement: stripe.Price, customer: stripe.Customer
) -> None:
    session = checkout(agreement, customer)
    assert type_card(session.url, FAILS_LATER).status == 303
    assert stripe.checkout.Session.retrieve(session.id).status == "complete"


def test_an_expired_checkout_takes_no_card(fake_stripe: FakeStripe, agreement: stripe.Price) -> None:
    by_call, by_time = checkout(agreement), checkout(agreement)
    assert stripe.checkout.Session.expire(by_call.id).status == "expired"
    fake_stripe.control.advance(86_401)
    for session in (by_call, by_time):
        assert type_card(session.url).status == 410
    assert len(fake_stripe.events("checkout.session.expired")) == 2
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        stripe.checkout.Session.expire(by_call.id)


def test_checkout_can_only_save_a_card(customer: stripe.Customer) -> None:
    session = stripe.checkout.Session.create(
        mode="setup", customer=customer.id, currency="eur", success_url="https://shop.example/"
    )
    assert type_card(session.url).status == 303
    done = stripe.checkout.Session.retrieve(session.id, expand=["setup_intent"])
    assert (done.payment_status, done.setup_intent.status) == ("no_payment_required", "succeeded")
    assert [item.id for item in stripe.PaymentMethod.list(customer=customer.id).data] == [
        done.setup_intent.payment_method
    ]


@pytest.mark.parametrize("missing", ["mode", "success_url", "line_items"])
def test_a_checkout_needs_its_parameters(agreement: stripe.Price, missing: str) -> None:
    given = {"mode": "subscription", "success_url": "https://x.example", "line_items": [{"price": agreement.id}]}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe.checkout.Session.create(**{name: value for name, value in given.items() if name != missing})
    assert refused.value.code == "parameter_missing"


# Without a checkout


def test_a_subscription_has_its_period_on_its_items(payer: stripe.Customer, agreement: stripe.Price) -> None:
    subscription = stripe.Subscription.create(customer=payer.id, items=[{"price": agreement.id}])
    assert "current_period_end" not in subscription
    [item] = subscription["items"].data
    assert 28 * 86_400 <= item.current_period_end - item.current_period_start <= 31 * 86_400
    invoice = stripe.Invoice.retrieve(subscription.latest_invoice)
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_create")
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert invoice.lines.data[0].parent.subscription_item_details.subscription_item == item.id


def priced(amount: int) -> stripe.Price:
    product = stripe.Product.create(name="Seats")
    return stripe.Price.create(product=product.id, currency="eur", unit_amount=amount, recurring={"interval": "month"})


def test_a_first_payment_that_fails_leaves_the_subscription_incomplete(
    fake_stripe: FakeStripe, customer: stripe.Customer
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        stripe.Subscription.create(customer=customer.id, items=[{"price": priced(500).id}])
    assert not stripe.Subscription.list(status="all").data
    method = stripe.PaymentMethod.attach("pm_card_chargeCustomerFail", customer=customer.id)
    subscription = stripe.Subscription.create(
        customer=customer.id, items=[{"price": priced(500).id}], default_payment_method=method.id
    )
    assert subscription.status == "incomplete"
    stripe.Invoice.pay(subscription.latest_invoice, payment_method="pm_card_visa")
    assert stripe.Subscription.retrieve(subscription.id).status == "active"


def test_a_period_ends_and_is_billed_and_a_failure_makes_it_past_due(
    fake_stripe: FakeStripe, payer: stripe.Customer
) -> None:
    subscription = stripe.Subscription.create(customer=payer.id, items=[{"price": priced(500).id, "quantity": 3}])
    before = subscription["items"].data[0].current_period_end
    fake_stripe.control.end_period(subscription.id)
    renewed = stripe.Subscription.retrieve(subscription.id, expand=["latest_invoice"])
    assert renewed["items"].data[0].current_period_start == before
    assert (renewed.latest_invoice.amount_paid, renewed.latest_invoice.billing_reason) == (1500, "subscription_cycle")

    bad = stripe.PaymentMethod.attach("pm_card_chargeCustomerFail", customer=payer.id)
    stripe.Customer.modify(payer.id, invoice_settings={"default_payment_method": bad.id})
    fake_stripe.control.end_period(subscription.id)
    assert stripe.Subscription.retrieve(subscription.id).status == "past_due"


def test_a_trial_is_billed_when_it_is_over(fake_stripe: FakeStripe, payer: stripe.Customer) -> None:
    subscription = stripe.Subscription.create(
        customer=payer.id, items=[{"price": priced(500).id}], trial_period_days=14
    )
    assert (subscription.status, subscription.latest_invoice) == ("trialing", None)
    fake_stripe.control.advance(14 * 86_400 + 1)
    renewed = stripe.Subscription.retrieve(subscription.id, expand=["latest_invoice"])
    assert (renewed.status, renewed.latest_invoice.amount_paid) == ("active", 500)


def test_a_subscription_is_cancelled_by_call_now_or_at_the_end_and_undone(
    fake_stripe: FakeStripe, payer: stripe.Customer, agreement: stripe.Price
) -> None:
    subscription = stripe.Subscription.create(customer=payer.id, items=[{"price": agreement.id}])
    planned = stripe.Subscription.modify(subscription.id, cancel_at_period_end=True)
    assert (planned.status, planned.cancel_at_period_end) == ("active", True)
    assert planned.cancel_at == planned["items"].data[0].current_period_end
    kept = stripe.Subscription.modify(subscription.id, cancel_at_period_end=False)
    assert (kept.cancel_at_period_end, kept.cancel_at, kept.canceled_at) == (False, None, None)
    stripe.Subscription.modify(subscription.id, cancel_at_period_end=True)
    fake_stripe.control.end_period(subscription.id)
    assert stripe.Subscription.retrieve(subscription.id).status == "canceled"
    assert len(fake_stripe.events("customer.subscription.deleted")) == 1
    assert not stripe.Subscription.list(customer=payer.id).data
    assert len(stripe.Subscription.list(customer=payer.id, status="all").data) == 1
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        stripe.Subscription.cancel(subscription.id)


# The billing portal


@pytest.fixture
def portal(payer: stripe.Customer) -> str:
    session = stripe.billing_portal.Session.create(customer=payer.id, return_url="https://shop.example/plan")
    return session.url


def test_the_portal_sets_a_date_and_the_call_sets_a_flag(
    fake_stripe: FakeStripe, payer: stripe.Customer, agreement: stripe.Price, portal: str
) -> None:
    subscription = stripe.Subscription.create(customer=payer.id, items=[{"price": agreement.id}])
    assert "Cancel subscription" in open_page(portal).text
    press(portal, "cancel", subscription.id)
    planned = stripe.Subscription.retrieve(subscription.id)
    assert (planned.cancel_at_period_end, planned.cancel_at) == (False, planned["items"].data[0].current_period_end)
    assert "Renew subscription" in open_page(portal).text
    press(portal, "renew", subscription.id)
    assert stripe.Subscription.retrieve(subscription.id).cancel_at is None
    assert len(fake_stripe.events("customer.subscription.updated")) == 2


def test_a_card_is_added_made_default_and_removed_in_the_portal(payer: stripe.Customer, portal: str) -> None:
    first = payer.invoice_settings.default_payment_method
    refused = type_card(portal, DECLINED, do="add")
    assert (refused.status, "declined" in refused.text) == (402, True)
    assert type_card(portal, "5555555555554444", do="add", default="on").status == 303
    [second] = [item for item in stripe.PaymentMethod.list(customer=payer.id).data if item.id != first]
    assert second.card.brand == "mastercard"
    assert stripe.Customer.retrieve(payer.id).invoice_settings.default_payment_method == second.id
    press(portal, "default", first)
    assert stripe.Customer.retrieve(payer.id).invoice_settings.default_payment_method == first
    press(portal, "remove", second.id)
    assert [item.id for item in stripe.PaymentMethod.list(customer=payer.id).data] == [first]


def test_a_portal_does_not_change_other_customers_objects(agreement: stripe.Price, portal: str) -> None:
    other = stripe.Customer.create()
    method = stripe.PaymentMethod.attach("pm_card_visa", customer=other.id)
    subscription = stripe.Subscription.create(customer=other.id, items=[{"price": agreement.id}])
    press(portal, "remove", method.id)
    press(portal, "cancel", subscription.id)
    assert stripe.PaymentMethod.retrieve(method.id).customer == other.id
    assert stripe.Subscription.retrieve(subscription.id).cancel_at is None


def test_unknown_pages_are_not_found(fake_stripe: FakeStripe) -> None:
    for path in ("/checkout/cs_test_no", "/portal/bps_no", "/invoice/in_no", "/elsewhere", "/checkout/../x"):
        assert open_page(fake_stripe.url + path).status == 404
    assert open_page(fake_stripe.url + "/").status == 200
    assert "--accent" in open_page(fake_stripe.url + "/style.css").text
