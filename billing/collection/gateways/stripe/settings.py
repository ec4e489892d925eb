"""Stripe's settings: read from the environment with the application's settings, and read again at each call.

So a test, or a new key, takes effect at once. Without a key, no data leaves this machine.
"""

from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name

from billing.collection.domain.environment import ReadsEnvironment

API_VERSION: Final = "2026-05-27.dahlia"
LIVE_PREFIXES: Final = ("sk_live_", "rk_live_")
DECIMALS_MAX: Final = 6
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
# The address to which the fake Stripe of `make run` sends its webhooks; fixed, so that no set-up is needed.
DEVELOPMENT_WEBHOOK_UUID: Final = "3f0e8f5c-6a1d-4f0e-9a55-0b6c1d2e3f40"


def read_settings(env: ReadsEnvironment, *, is_production: bool) -> dict[str, object]:
    """Return Django settings by name, those of dj-stripe as well."""
    key = env.text("STRIPE_SECRET_KEY")
    is_live = key.startswith(LIVE_PREFIXES)
    read: dict[str, object] = {
        "STRIPE_SECRET_KEY": key,
        "STRIPE_LIVE_MODE": is_live,
        "STRIPE_TEST_SECRET_KEY": "" if is_live else key,
        "STRIPE_LIVE_SECRET_KEY": key if is_live else "",
        "STRIPE_API_VERSION": API_VERSION,
        "STRIPE_USAGE_DECIMALS": env.number("STRIPE_USAGE_DECIMALS", 0, lowest=0, highest=DECIMALS_MAX),
        "STRIPE_WEBHOOK_SECRET": env.text("STRIPE_WEBHOOK_SECRET"),
        "STRIPE_WEBHOOK_UUID": env.uuid("STRIPE_WEBHOOK_UUID", "" if is_production else DEVELOPMENT_WEBHOOK_UUID),
        "DJSTRIPE_FOREIGN_KEY_TO_FIELD": "id",
        "DJSTRIPE_SUBSCRIBER_MODEL": "accounts.Tenant",
        "DJSTRIPE_SUBSCRIBER_MODEL_MIGRATION_DEPENDENCY": "0001_initial",
        "DJSTRIPE_SUBSCRIBER_MODEL_REQUEST_CALLBACK": (
            "billing.collection.gateways.stripe.subscribers.subscriber_of_request"
        ),
    }
    # A live key is sent only to Stripe. dj-stripe warns in production if this setting is present at all, so it is set
    # only when it is needed.
    host = env.text("STRIPE_API_HOST").rstrip("/")
    read["STRIPE_API_HOST_GIVEN"] = host
    if host and not is_live:
        read["STRIPE_API_HOST"] = host
    return read


def check_settings() -> list[CheckMessage]:
    """Return the faults of settings that are valid each, but not together."""
    found: list[CheckMessage] = []
    if is_live_mode() and _text("STRIPE_API_HOST_GIVEN"):
        found.append(
            Error(
                "STRIPE_API_HOST is for tests and trials; a live key is sent only to Stripe. Unset one of the two.",
                id="countinghouse.E004",
            )
        )
    if secret_key() and webhook_secret() and not webhook_uuid():
        found.append(
            Warning(
                "STRIPE_WEBHOOK_SECRET is set without STRIPE_WEBHOOK_UUID: no payment would ever be noticed.",
                id="countinghouse.W002",
            )
        )
    if secret_key() and not webhook_secret() and not can_be_reached(settings.PUBLIC_URL):
        found.append(
            Warning(
                "STRIPE_SECRET_KEY is set without STRIPE_WEBHOOK_SECRET, and Stripe cannot reach PUBLIC_URL:"
                " no payment would ever be noticed.",
                id="countinghouse.W003",
            )
        )
    return found


def can_be_reached(url: str) -> bool:
    """Return whether Stripe can send webhooks to the address: `provider_setup` creates an endpoint for public https."""
    return url.startswith("https://") and not urlsplit(url).netloc.startswith(LOCAL_NAMES)


def secret_key() -> str:
    """Return the key, or an empty text if Stripe is not set up."""
    return _text("STRIPE_SECRET_KEY")


def is_live_mode() -> bool:
    """Return whether the key moves real money."""
    return bool(getattr(settings, "STRIPE_LIVE_MODE", False))


def api_host() -> str:
    """Return the address of a fake, or an empty text for Stripe's own."""
    return _text("STRIPE_API_HOST")


def request_seconds() -> int:
    """Return how long a request may wait for all its calls together."""
    return int(settings.OUTSIDE_SECONDS)


def webhook_secret() -> str:
    """Return the secret of an endpoint that an operator created, if there is one."""
    return _text("STRIPE_WEBHOOK_SECRET")


def webhook_uuid() -> str:
    """Return the UUID in that endpoint's address."""
    return _text("STRIPE_WEBHOOK_UUID")


def usage_decimals() -> int:
    """Return how many decimals of the usage are pushed to Stripe, whose meters take whole numbers."""
    return int(getattr(settings, "STRIPE_USAGE_DECIMALS", 0))


def _text(name: str) -> str:
    return str(getattr(settings, name, ""))
