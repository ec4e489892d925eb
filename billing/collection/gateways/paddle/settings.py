"""Paddle's settings: read from the environment with the application's settings, and read again at each call.

So a test, or a new key, takes effect at once. Without a key, no data leaves this machine.
"""

from typing import Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name

from billing.collection.domain.environment import ReadsEnvironment

LIVE_HOST: Final = "https://api.paddle.com"
SANDBOX_HOST: Final = "https://sandbox-api.paddle.com"
SANDBOX_PREFIX: Final = "pdl_sdbx_"


def read_settings(env: ReadsEnvironment, *, is_production: bool) -> dict[str, object]:  # noqa: ARG001 - the protocol's
    """Return Django settings by name."""
    return {
        "PADDLE_API_KEY": env.text("PADDLE_API_KEY"),
        "PADDLE_WEBHOOK_SECRET": env.text("PADDLE_WEBHOOK_SECRET"),
        "PADDLE_API_HOST": env.text("PADDLE_API_HOST"),
        "PADDLE_CHECKOUT_URL": env.text("PADDLE_CHECKOUT_URL"),
    }


def check_settings() -> list[CheckMessage]:
    """Return the faults of settings that are valid each, but not together."""
    found: list[CheckMessage] = []
    host = _text("PADDLE_API_HOST").rstrip("/")
    if api_key() and not is_sandbox() and host not in {"", LIVE_HOST, SANDBOX_HOST}:
        found.append(
            Error(
                "PADDLE_API_HOST is for tests and trials; a live key is sent only to Paddle. Unset one of the two.",
                id="countinghouse.E021",
            )
        )
    if api_key() and not webhook_secrets():
        found.append(
            Warning(
                "PADDLE_API_KEY is set without PADDLE_WEBHOOK_SECRET: no payment would ever be noticed.",
                id="countinghouse.W021",
            )
        )
    if webhook_secrets() and not api_key():
        found.append(
            Warning(
                "PADDLE_WEBHOOK_SECRET is set without PADDLE_API_KEY: what Paddle reports cannot be looked up.",
                id="countinghouse.W022",
            )
        )
    return found


def api_key() -> str:
    """Return the key, or an empty text if Paddle is not set up."""
    return _text("PADDLE_API_KEY")


def is_sandbox() -> bool:
    """Return whether the key is of Paddle's sandbox, which moves no money."""
    return api_key().startswith(SANDBOX_PREFIX)


def api_host() -> str:
    """Return the address of Paddle, of its sandbox, or for a key of the sandbox that of a fake."""
    usual = SANDBOX_HOST if is_sandbox() else LIVE_HOST
    given = _text("PADDLE_API_HOST").rstrip("/")
    return given if given and (is_sandbox() or given in {LIVE_HOST, SANDBOX_HOST}) else usual


def call_seconds() -> int:
    """Return how long a request may wait for all its calls together."""
    return int(settings.OUTSIDE_SECONDS)


def webhook_secrets() -> tuple[str, ...]:
    """Return the secrets of the webhook, several while one is rotated."""
    parts = (part.strip() for part in _text("PADDLE_WEBHOOK_SECRET").split(","))
    return tuple(part for part in parts if part)


def checkout_url() -> str:
    """Return the page on which Paddle's checkout opens; empty: the default payment link of the account."""
    return _text("PADDLE_CHECKOUT_URL")


def _text(name: str) -> str:
    return str(getattr(settings, name, ""))
