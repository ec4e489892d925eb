"""The endpoint at Stripe: created once, and told of the types of events that a new version handles."""

import pytest
from djstripe.models import WebhookEndpoint
from pytest_django import Settings

from billing.collection.gateways.stripe.endpoint import endpoint_secret, ensure_endpoint
from billing.collection.gateways.stripe.news import EVENT_TYPES
from config.workbench.fakestripe.server import FakeStripe

pytestmark = pytest.mark.django_db


@pytest.fixture
def public(fake_stripe: FakeStripe, settings: Settings) -> FakeStripe:
    """Return a fake that can reach us, without an endpoint that an operator created."""
    settings.PUBLIC_URL = "https://countinghouse.example"
    settings.STRIPE_WEBHOOK_SECRET = ""
    return fake_stripe


def test_an_endpoint_of_an_older_version_is_sent_the_new_types_under_its_secret(public: FakeStripe) -> None:
    assert ensure_endpoint().startswith("endpoint created at Stripe")
    assert ensure_endpoint().startswith("endpoint unchanged")
    row = WebhookEndpoint.objects.get()
    secret = endpoint_secret(row.djstripe_uuid)
    [endpoint] = public.store.all("webhook_endpoint")
    public.store.update(endpoint, enabled_events=["invoice.paid"])

    assert ensure_endpoint() == f"endpoint updated at Stripe, types of events: {len(EVENT_TYPES)}"

    [endpoint] = public.store.all("webhook_endpoint")
    assert set(endpoint["enabled_events"]) == set(EVENT_TYPES)
    assert endpoint_secret(row.djstripe_uuid) == secret
    assert ensure_endpoint().startswith("endpoint unchanged")
