"""To whom a mail about money or limits goes: what each member chose, else what the role suggests."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from accounts.domain.roles import CAPABILITIES, Capability, Role
from accounts.models import Membership, Tenant
from billing.models import BillingProfile, MemberPreference

USAGE_ALERT: Final = "usage_alert"
INVOICE: Final = "invoice"

_COLUMNS: Final = {USAGE_ALERT: "wants_usage_alerts", INVOICE: "wants_invoices"}
_ROLES_BY_DEFAULT: Final = {
    USAGE_ALERT: frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER}),
    INVOICE: frozenset({Role.OWNER, Role.ADMIN}),
}
# A wish does not outlive the right: who was an admin once gets no invoices any more.
_ROLES_ALLOWED: Final = {
    USAGE_ALERT: frozenset(role for role, may in CAPABILITIES.items() if Capability.READ_USAGE in may),
    INVOICE: frozenset(role for role, may in CAPABILITIES.items() if Capability.MANAGE_BILLING in may),
}


def recipients_of(*, tenant: Tenant, kind: str) -> list[str]:
    """The addresses for a mail of `kind`, each once whatever its case; none where nobody wants it.

    Invoices also go to the tenant's own address for bills; usage alerts to nobody where the tenant has turned them off.
    """
    return recipients_by_tenant(tenants=[tenant], kind=kind)[tenant.pk]


def recipients_by_tenant(*, tenants: Collection[Tenant], kind: str) -> dict[UUID, list[str]]:
    """The same for many tenants, in as many queries as for one."""
    addresses: dict[UUID, list[str]] = {tenant.pk: [] for tenant in tenants}
    if kind == INVOICE:
        for tenant in tenants:
            addresses[tenant.pk] += [tenant.billing_email] if tenant.billing_email else []
    members = Membership.objects.filter(tenant__in=addresses, user__is_active=True, role__in=_ROLES_ALLOWED[kind])
    for member in members.select_related("user", "preference").order_by("created_at", "pk"):
        if wants(membership=member, kind=kind):
            addresses[member.tenant_id].append(member.user.email)
    if kind == USAGE_ALERT:
        quiet = BillingProfile.objects.filter(tenant__in=addresses, wants_usage_alerts=False)
        addresses |= {tenant_id: [] for tenant_id in quiet.values_list("pk", flat=True)}
    return {tenant_id: _once_each(found) for tenant_id, found in addresses.items()}


def wants(*, membership: Membership, kind: str) -> bool:
    """Whether a member gets mails of `kind`, as far as they themselves and their role are asked."""
    if membership.role not in _ROLES_ALLOWED[kind]:
        return False
    preference: MemberPreference | None = getattr(membership, "preference", None)
    return membership.role in _ROLES_BY_DEFAULT[kind] if preference is None else getattr(preference, _COLUMNS[kind])


def may_want(*, membership: Membership, kind: str) -> bool:
    """Whether the member's role lets them have mails of `kind` at all."""
    return membership.role in _ROLES_ALLOWED[kind]


def _once_each(addresses: list[str]) -> list[str]:
    """The first of those that differ in case alone."""
    return list({address.lower(): address for address in reversed(addresses)}.values())[::-1]
