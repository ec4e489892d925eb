"""To whom a mail about money or limits goes: what each member chose, else what the role suggests."""

from typing import Final

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
    if kind == USAGE_ALERT and BillingProfile.objects.filter(tenant=tenant, wants_usage_alerts=False).exists():
        return []
    members = Membership.objects.filter(tenant=tenant, user__is_active=True, role__in=_ROLES_ALLOWED[kind])
    wishes = dict(
        MemberPreference.objects.filter(membership__tenant=tenant).values_list("membership_id", _COLUMNS[kind])
    )
    addresses = [
        member.user.email
        for member in members.select_related("user").order_by("created_at", "pk")
        if wishes.get(member.pk, member.role in _ROLES_BY_DEFAULT[kind])
    ]
    if kind == INVOICE and tenant.billing_email:
        addresses.insert(0, tenant.billing_email)
    return list({address.lower(): address for address in reversed(addresses)}.values())[::-1]
