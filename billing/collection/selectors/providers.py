"""The providers, and the one that a tenant pays through."""

from collections.abc import Sequence
from uuid import UUID

from billing.collection.domain.provider import PaymentProvider, ProviderDescription
from billing.collection.gateways import registry
from billing.collection.models import ProviderCustomer


def described_providers() -> Sequence[tuple[str, ProviderDescription]]:
    """Return every provider by its name, the preferred first."""
    return [(provider.name, provider.describe()) for provider in registry.providers()]


def provider_of_tenant(tenant_id: UUID) -> PaymentProvider | None:
    """Return the provider that the tenant is a customer of, else the preferred one, if any is set up.

    A provider that charges the tenant's card comes first.
    """
    configured = {provider.name: provider for provider in registry.configured_providers()}
    customers = ProviderCustomer.objects.filter(tenant_id=tenant_id, provider__in=configured).order_by("pk")
    for customer in sorted(customers, key=lambda row: not row.card_label):
        return configured[customer.provider]
    return next(iter(configured.values()), None)


def provider_title_for(tenant_id: UUID) -> str:
    """Return the title of the provider that the tenant pays through; empty if online payment is not set up."""
    provider = provider_of_tenant(tenant_id)
    return "" if provider is None else provider.describe().title


def title_of(name: str) -> str:
    """Return the title of a provider, or its name if it is no longer registered."""
    provider = registry.provider_named(name)
    return name if provider is None else provider.describe().title
