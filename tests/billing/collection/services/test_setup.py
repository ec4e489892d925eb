"""Setting up at Stripe: each object once, and the endpoint with its secret."""

from uuid import uuid4

import pytest
from pytest_django import Settings

from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe.objects import text
from billing.collection.services.setup import set_up_providers
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import (
    make_endpoint,
)
from tests.billing.world import make_plan

pytestmark = pytest.mark.django_db
CARD = "Visa ending in 4242"


@pytest.fixture(autouse=True)
def endpoint(db: None, fake_stripe: FakeStripe) -> None:
    make_endpoint()


def test_setting_up_twice_creates_everything_once(fake_stripe: FakeStripe, settings: Settings) -> None:
    make_plan()
    first, second = set_up_providers(), set_up_providers()

    assert len(fake_stripe.store.all("price")) == len(fake_stripe.store.all("product")) == 1
    meters = fake_stripe.store.all("billing.meter")
    assert {meter["event_name"] for meter in meters} >= {"api_requests", "api_bytes", "calls"}
    assert "none" in second[-1]
    assert "none" not in first[-1]
    assert text(meters[0], "event_time_window") == "hour"


def test_on_a_public_address_the_endpoint_is_created_at_stripe_once(
    fake_stripe: FakeStripe, settings: Settings
) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ""
    settings.PUBLIC_URL = "https://billing.example.com"

    set_up_providers()
    set_up_providers()

    [endpoint] = fake_stripe.store.all("webhook_endpoint")
    assert endpoint["url"].startswith("https://billing.example.com/webhooks/stripe/")
    settings.PUBLIC_URL = "http://localhost:8000"
    assert "no webhook endpoint" in set_up_providers()[0]


def test_an_endpoint_whose_secret_is_lost_is_created_again(fake_stripe: FakeStripe, settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ""
    settings.PUBLIC_URL = "https://billing.example.com"
    lost = "https://billing.example.com/webhooks/stripe/0190a0b0-0000-7000-8000-000000000009"
    stripe_api.create_webhook_endpoint(url=lost, events=["invoice.paid"], uuid=uuid4())

    assert "created at Stripe" in set_up_providers()[0]

    [endpoint] = fake_stripe.store.all("webhook_endpoint")
    assert endpoint["url"] != lost
