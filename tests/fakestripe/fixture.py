"""`fake_stripe`: a running fake for one test, empty at its beginning, and the settings that lead to it.

The port is only known at run time, and so is the key: code that calls Stripe must read `settings.STRIPE_SECRET_KEY`,
`STRIPE_API_HOST`, `STRIPE_WEBHOOK_SECRET` and `STRIPE_WEBHOOK_UUID` when it is called, and not when it is imported.
Webhooks go nowhere until a test calls `fake_stripe.deliveries.send_to(url, secret)`. `signed` gives an event as it
would arrive.
"""

from collections.abc import Iterator

import pytest
import stripe
from pytest_django import Settings

from billing.collection.gateways.stripe.settings import API_VERSION
from config.workbench.fakestripe.server import FakeStripe

SECRET_KEY = "sk_test_countinghouseFakeStripe000"
WEBHOOK_SECRET = "whsec_countinghouseFakeStripe"


@pytest.fixture(scope="session")
def fake_stripe_server() -> Iterator[FakeStripe]:
    """Start one server for each worker of the run."""
    fake = FakeStripe()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def fake_stripe(
    fake_stripe_server: FakeStripe, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeStripe]:
    """Return the fake with an empty memory, with the settings and the library pointed at it."""
    fake_stripe_server.control.reset()
    settings.STRIPE_SECRET_KEY = settings.STRIPE_TEST_SECRET_KEY = SECRET_KEY
    settings.STRIPE_LIVE_MODE = False
    settings.STRIPE_LIVE_SECRET_KEY = ""
    settings.STRIPE_API_HOST = fake_stripe_server.url
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(stripe, "api_base", fake_stripe_server.url)
    monkeypatch.setattr(stripe, "api_key", SECRET_KEY)
    monkeypatch.setattr(stripe, "api_version", API_VERSION)
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)  # the library's pause before it retries
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.02)
    yield fake_stripe_server
    fake_stripe_server.control.reset()
