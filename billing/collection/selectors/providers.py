"""The providers, and the one that a tenant pays through."""

from collections.abc import Sequence
from uuid import UUID

from billing.collection.domain.provider import PaymentProvider, ProviderDescription
from billing.collection.gateways import registry
from billing.collection.models import ProviderChoice, ProviderCustomer


def described_providers() -> Sequence[tuple[str, ProviderDescription]]:
    """Return every provider by its name, the preferred first."""
    return [(provider.name, provider.describe()) for provider in registry.providers()]


def provider_of_tenant(tenant_id: UUID) -> PaymentProvider | None:
    """Return the provider that the tenant pays through, if any is set up.

    It is the one that charges the tenant's card, else the one that staff chose for it, else one that it is a customer
    of, else the preferred one.
    """
    configured = {provider.name: provider for provider in registry.configured_providers()}
    charging = ProviderCustomer.objects.filter(tenant_id=tenant_id, provider__in=configured).exclude(card_label="")
    chosen = ProviderChoice.objects.filter(tenant_id=tenant_id, provider__in=configured)
    known = ProviderCustomer.objects.filter(tenant_id=tenant_id, provider__in=configured)
    for rows in (charging.order_by("pk"), chosen, known.order_by("pk")):
        name = rows.values_list("provider", flat=True).first()
        if name is not None:
            return configured[name]
    return next(iter(configured.values()), None)


def merchant_named(name: str) -> str:
    """Return the name under which a provider sells as merchant of record; empty if the issuer sells."""
    provider = registry.provider_named(name)
    return "" if provider is None else provider.describe().merchant_of_record


def merchant_for(tenant_id: UUID) -> str:
    """Return which merchant of record would sell to the tenant; empty if the issuer would."""
    provider = provider_of_tenant(tenant_id)
    return "" if provider is None else provider.describe().merchant_of_record


def provider_title_for(tenant_id: UUID) -> str:
    """Return the title of the provider that the tenant pays through; empty if online payment is not set up."""
    provider = provider_of_tenant(tenant_id)
    return "" if provider is None else provider.describe().title


def charges_at_checkout(tenant_id: UUID) -> bool:
    """Return whether the provider that the tenant pays through charges the first invoice in its checkout."""
    provider = provider_of_tenant(tenant_id)
    return provider is not None and provider.describe().charges_at_checkout


def title_of(name: str) -> str:
    """Return the title of a provider, or its name if it is no longer registered."""
    provider = registry.provider_named(name)
    return name if provider is None else provider.describe().title
