"""The registry of payment providers: the folders that `settings.PAYMENT_PROVIDERS` names, the preferred first."""

from functools import lru_cache
from importlib import import_module
from typing import cast

from django.conf import settings

from billing.collection.domain.provider import PaymentProvider


def providers() -> tuple[PaymentProvider, ...]:
    """Return every provider of this installation, whether it is configured or not."""
    return tuple(_provider_in(folder) for folder in settings.PAYMENT_PROVIDERS)


def configured_providers() -> tuple[PaymentProvider, ...]:
    """Return the providers that money is collected through."""
    return tuple(provider for provider in providers() if provider.describe().is_configured)


def provider_named(name: str) -> PaymentProvider | None:
    """Return the provider of this name, or None."""
    return next((provider for provider in providers() if provider.name == name), None)


@lru_cache(maxsize=16)
def _provider_in(folder: str) -> PaymentProvider:
    return cast("PaymentProvider", import_module(f"{folder}.provider").PROVIDER)
