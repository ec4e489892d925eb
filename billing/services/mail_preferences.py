"""Which mails about limits and money go out: what the tenant says for all, and each member for themselves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.db import transaction

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.roles import Capability
from accounts.errors import PermissionMissingError
from accounts.models import Membership, Tenant
from accounts.services.audit import record_audit
from accounts.services.rights import lock_tenant, require_capability
from billing.models import BillingProfile, MemberPreference
from billing.selectors.recipients import INVOICE, USAGE_ALERT, may_want, wants
from billing.services.subscriptions.profiles import billing_profile_of

KINDS: Final = {"wants_usage_alerts": USAGE_ALERT, "wants_invoices": INVOICE}


@transaction.atomic
def set_alert_mails(*, tenant: Tenant, wants_usage_alerts: bool, actor: Actor, as_of: datetime) -> None:
    """Send usage alerts by mail to those members who want them, or to nobody. Raises `PermissionMissingError`."""
    lock_tenant(tenant.pk)
    require_capability(actor, tenant.pk, Capability.MANAGE_TENANT)
    profile = billing_profile_of(tenant.pk)
    if profile.wants_usage_alerts == wants_usage_alerts:
        return
    BillingProfile.objects.filter(pk=profile.pk).update(wants_usage_alerts=wants_usage_alerts)
    record_audit(
        actor=actor,
        action="tenant.usage_alerts_set",
        tenant_id=tenant.pk,
        target_kind="tenant",
        target_id=tenant.pk,
        target_label=tenant.slug,
        before={"wants_usage_alerts": not wants_usage_alerts},
        after={"wants_usage_alerts": wants_usage_alerts},
        as_of=as_of,
    )


@transaction.atomic
def set_member_mails(*, membership: Membership, wishes: Mapping[str, bool], actor: Actor, as_of: datetime) -> None:
    """Note which mails a member wants, by the names in `KINDS`; those that are not named stay as they are.

    A member chooses for themselves alone, and of what their role may have. Raises `PermissionMissingError`.
    """
    assert set(wishes) <= set(KINDS), f"no mails: {set(wishes) - set(KINDS)}"
    lock_tenant(membership.tenant_id)
    current = Membership.objects.select_related("preference", "user").get(pk=membership.pk)
    is_somebody_else = actor.kind is ActorKind.MEMBER and actor.user_id != current.user_id
    if is_somebody_else or not all(may_want(membership=current, kind=KINDS[name]) for name in wishes):
        raise PermissionMissingError
    before = {name: wants(membership=current, kind=KINDS[name]) for name in wishes}
    after = {name: wish for name, wish in wishes.items() if before[name] != wish}
    if not after:
        return
    MemberPreference.objects.update_or_create(
        membership=current,
        defaults=after,
        create_defaults={"wants_usage_alerts": wants(membership=current, kind=USAGE_ALERT), **after},
    )
    record_audit(
        actor=actor,
        action="member.mails_chosen",
        tenant_id=current.tenant_id,
        target_kind="member",
        target_id=current.user_id,
        target_label=current.user.email,
        before={name: before[name] for name in after},
        after=after,
        as_of=as_of,
    )
