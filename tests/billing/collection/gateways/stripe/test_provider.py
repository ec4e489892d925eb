"""Charging an invoice's card again, through the fake Stripe: once for each named attempt, recorded once."""

from typing import Any

import pytest

from billing.collection.domain.provider import ReportedPayment
from billing.collection.errors import PaymentProviderError, PaymentRefusedError
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.services.collecting import collect_due
from billing.collection.services.customers import ensure_customer
from billing.models import Invoice, Payment
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import (
    attach,
    customer_of,
    deliver_and_process,
    due_invoice,
    make_endpoint,
    named,
    now,
)
from tests.billing.world import subscribe_tenant
from tests.fakestripe import shopper

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def endpoint(db: None, fake_stripe: FakeStripe) -> None:
    make_endpoint()


def charged(fake: FakeStripe, card: str = shopper.FAILS_LATER) -> Invoice:
    """Return an invoice that was collected once from this card."""
    subscription = subscribe_tenant(as_of=now())
    customer_id = ensure_customer(tenant_id=subscription.tenant_id, provider=PROVIDER).reference
    attach(fake, customer_id, card)
    invoice = due_invoice(subscription.tenant, with_card="Visa ending in 0341")
    collect_due(as_of=now())
    deliver_and_process(fake)
    invoice.refresh_from_db()
    return invoice


def again(invoice: Invoice, attempt: str) -> ReportedPayment:
    return PROVIDER.charge_again(named(invoice)[0], attempt=attempt)


def charges(fake: FakeStripe) -> list[Any]:
    return [charge["status"] for charge in fake.store.all("charge")]


def test_a_declined_attempt_is_returned_as_its_event_reports_it(fake_stripe: FakeStripe) -> None:
    invoice = charged(fake_stripe)

    attempt = again(invoice, "a step")
    deliver_and_process(fake_stripe)

    assert (attempt.error, attempt.decline_code, attempt.amount_minor) == (
        "Your card was declined.",
        "generic_decline",
        invoice.total_minor,
    )
    failed = Payment.objects.filter(invoice=invoice, status="failed").values_list("reference", flat=True)
    assert len(failed) == 2
    assert attempt.reference in failed
    assert charges(fake_stripe) == ["failed", "failed"]


def test_one_attempt_charges_once_and_another_one_again(fake_stripe: FakeStripe) -> None:
    invoice = charged(fake_stripe)

    first, repeated = again(invoice, "one"), again(invoice, "one")

    assert first.reference == repeated.reference
    assert charges(fake_stripe) == ["failed", "failed"]
    attach(fake_stripe, customer_of(invoice.tenant).reference, shopper.GOOD)
    paid = again(invoice, "two")
    assert (paid.error, paid.reference) == ("", named(invoice)[0])
    assert again(invoice, "three").reference == paid.reference  # paid already: nothing is charged
    assert charges(fake_stripe) == ["failed", "failed", "succeeded"]
    deliver_and_process(fake_stripe)
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_an_attempt_whose_answer_was_lost_is_found_again(fake_stripe: FakeStripe) -> None:
    invoice = charged(fake_stripe)
    attach(fake_stripe, customer_of(invoice.tenant).reference, shopper.GOOD)
    fake_stripe.control.fail("/v1/invoices/.*/pay", status=0, times=3, is_after=True)

    with pytest.raises(PaymentProviderError):
        again(invoice, "lost")

    assert again(invoice, "lost").error == ""
    assert charges(fake_stripe) == ["failed", "succeeded"]


def test_a_card_that_must_be_confirmed_says_so_and_pays_on_the_page(fake_stripe: FakeStripe) -> None:
    invoice = charged(fake_stripe, shopper.CONFIRMED)

    [failed] = Payment.objects.filter(invoice=invoice)
    assert failed.error == "The bank asks the cardholder to confirm this payment."
    assert again(invoice, "off session").error == "The bank asks the cardholder to confirm this payment."

    shopper.type_card(named(invoice)[1], shopper.CONFIRMED)
    deliver_and_process(fake_stripe)

    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_a_void_invoice_is_not_charged(fake_stripe: FakeStripe) -> None:
    invoice = charged(fake_stripe)
    reference = named(invoice)[0]
    PROVIDER.take_back(reference)

    with pytest.raises(PaymentRefusedError, match="open"):
        PROVIDER.charge_again(reference, attempt="late")


def test_stripe_does_not_charge_again_by_itself(fake_stripe: FakeStripe) -> None:
    charged(fake_stripe)

    fake_stripe.control.advance(20 * 86_400)

    assert charges(fake_stripe) == ["failed"]


def test_a_release_that_died_between_its_steps_charges_once(fake_stripe: FakeStripe) -> None:
    subscription = subscribe_tenant(as_of=now())
    customer_id = ensure_customer(tenant_id=subscription.tenant_id, provider=PROVIDER).reference
    attach(fake_stripe, customer_id, shopper.GOOD)
    invoice = due_invoice(subscription.tenant, with_card="Visa ending in 4242")
    fake_stripe.control.fail("/v1/invoices/.*/pay", status=500, times=3)

    assert collect_due(as_of=now()).away
    assert charges(fake_stripe) == []
    collect_due(as_of=now())
    collect_due(as_of=now())

    assert charges(fake_stripe) == ["succeeded"]
    assert named(invoice)[1]
