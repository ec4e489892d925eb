"""The recipients of a mail: by each member's choice, else by the default of the role."""

from collections.abc import Collection
from uuid import UUID

from accounts.models import Membership, Tenant
from accounts.notices.domain.mails import MailKind
from accounts.notices.models import MailPreference


def recipients_of(*, tenant: Tenant, kind: MailKind) -> list[str]:
    """Return the addresses for a mail of `kind`, each once whatever its case; none if no member wants it.

    Some kinds also go to the tenant's own address for bills. No mail is sent of a kind that the tenant has turned off.
    """
    return recipients_by_tenant(tenants=[tenant], kind=kind)[tenant.pk]


def recipients_by_tenant(*, tenants: Collection[Tenant], kind: MailKind) -> dict[UUID, list[str]]:
    """Return the same for many tenants, in as many queries as for one."""
    addresses: dict[UUID, list[str]] = {
        tenant.pk: [tenant.billing_email] if kind.goes_to_billing_email and tenant.billing_email else []
        for tenant in tenants
    }
    chosen = MailPreference.objects.filter(tenant__in=addresses, kind=kind.name)
    is_wanted = {(row.tenant_id, row.membership_id): row.is_wanted for row in chosen}
    members = Membership.objects.filter(tenant__in=addresses, user__is_active=True, role__in=kind.roles_allowed)
    for member in members.select_related("user").order_by("created_at", "pk"):
        if is_wanted.get((member.tenant_id, member.pk), member.role in kind.roles_by_default):
            addresses[member.tenant_id].append(member.user.email)
    return {
        tenant_id: _once_each(found) if is_wanted.get((tenant_id, None), True) else []
        for tenant_id, found in addresses.items()
    }


def _once_each(addresses: list[str]) -> list[str]:
    """Return the addresses without those that differ only in case from an earlier one."""
    return list({address.lower(): address for address in reversed(addresses)}.values())[::-1]
