"""Charging an invoice again records the outcome once, also when the provider's event tells it, too."""

from uuid import uuid4

import pytest

from billing.collection.errors import PaymentProviderError, PaymentRefusedError
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.services.charging import charge_again
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
    now,
)
from tests.billing.world import subscribe_tenant
from tests.fakestripe import shopper

pytestmark = pytest.mark.django_db


@pytest.fixture
def declined(fake_stripe: FakeStripe) -> Invoice:
    make_endpoint()
    subscription = subscribe_tenant(as_of=now())
    customer_id = ensure_customer(tenant_id=subscription.tenant_id, provider=PROVIDER).reference
    attach(fake_stripe, customer_id, shopper.FAILS_LATER)
    invoice = due_invoice(subscription.tenant, with_card="Visa ending in 0341")
    collect_due(as_of=now())
    deliver_and_process(fake_stripe)
    return invoice


def test_a_declined_and_a_successful_attempt_are_on_record_once(fake_stripe: FakeStripe, declined: Invoice) -> None:
    assert charge_again(invoice_id=declined.pk, attempt="one", as_of=now()).error
    deliver_and_process(fake_stripe)
    assert Payment.objects.filter(status="failed").count() == 2

    attach(fake_stripe, customer_of(declined.tenant).reference, shopper.GOOD)
    told = charge_again(invoice_id=declined.pk, attempt="two", as_of=now())
    deliver_and_process(fake_stripe)
    declined.refresh_from_db()
    assert (told.error, declined.status) == ("", "paid")
    assert Payment.objects.filter(status="succeeded").count() == 1


def test_an_unknown_outcome_records_nothing(fake_stripe: FakeStripe, declined: Invoice) -> None:
    fake_stripe.control.fail("/v1/invoices/.*/pay", status=500, times=5)
    with pytest.raises(PaymentProviderError):
        charge_again(invoice_id=declined.pk, attempt="lost", as_of=now())
    assert Payment.objects.count() == 1


@pytest.mark.usefixtures("fake_stripe")
def test_an_invoice_that_no_provider_collects_cannot_be_charged() -> None:
    with pytest.raises(PaymentRefusedError):
        charge_again(invoice_id=uuid4(), attempt="none", as_of=now())
