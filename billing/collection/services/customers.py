"""A tenant's customer at a provider: created once, with the tenant's current details, and its card."""

from typing import Final
from uuid import UUID

from accounts.domain.roles import Role
from accounts.models import Membership, Tenant
from billing.collection.domain.provider import CustomerDetails, PaymentProvider
from billing.collection.models import ProviderCustomer
from billing.services.subscriptions.profiles import keep_card

ADDRESS: Final = ("address_line1", "address_line2", "postal_code", "city", "region", "country")


def ensure_customer(*, tenant_id: UUID, provider: PaymentProvider) -> ProviderCustomer:
    """Return the tenant's customer at the provider, with current details, creating it if needed.

    Two calls at once get the same customer, and the first stored reference stays. Raises `PaymentProviderError`.
    """
    customer = ProviderCustomer.objects.filter(tenant_id=tenant_id, provider=provider.name).first()
    if customer is None:
        reference = provider.ensure_customer(tenant_id)
        customer, _ = ProviderCustomer.objects.get_or_create(
            tenant_id=tenant_id, provider=provider.name, defaults={"reference": reference}
        )
    tenant = Tenant.objects.get(pk=tenant_id)
    details = CustomerDetails(
        name=tenant.legal_name or tenant.name,
        email=tenant.billing_email or _address_of_owner(tenant),
        address={name: getattr(tenant, name) for name in ADDRESS},
    )
    provider.update_customer(customer.reference, details)
    return customer


def keep_card_of_customer(*, customer: ProviderCustomer, card_label: str) -> None:
    """Store the card that the provider charges; the tenant's billing profile shows the first card of any provider."""
    ProviderCustomer.objects.filter(pk=customer.pk).update(card_label=card_label)
    charged = ProviderCustomer.objects.filter(tenant_id=customer.tenant_id).exclude(card_label="").order_by("pk")
    label = charged.values_list("card_label", flat=True).first()
    keep_card(tenant_id=customer.tenant_id, card_label=label or "")


def _address_of_owner(tenant: Tenant) -> str:
    """Return the address of an owner, for a tenant without an address for bills.

    Some providers send no bills to a customer without one.
    """
    owners = Membership.objects.filter(tenant=tenant, role=Role.OWNER, user__is_active=True)
    return owners.order_by("created_at", "pk").values_list("user__email", flat=True).first() or ""
