"""Mail preferences: the tenant chooses for all, and each member for themselves."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.roles import Capability
from accounts.errors import PermissionMissingError
from accounts.models import Membership, Tenant
from accounts.notices.domain.mails import MailKind
from accounts.notices.models import MailPreference
from accounts.notices.selectors.preferences import may_want, tenant_wants, wishes_of
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability


@transaction.atomic
def set_tenant_mails(*, tenant: Tenant, kind: MailKind, is_wanted: bool, actor: Actor, as_of: datetime) -> None:
    """Set whether mails of this kind are sent to the members who want them, or to none.

    Raises `PermissionMissingError`.
    """
    lock_tenant(tenant.pk)
    require_capability(actor, tenant.pk, Capability.MANAGE_TENANT)
    if tenant_wants(tenant_id=tenant.pk, kind=kind) == is_wanted:
        return
    MailPreference.objects.update_or_create(
        tenant=tenant, membership=None, kind=kind.name, defaults={"is_wanted": is_wanted}
    )
    record_audit(
        actor=actor,
        action=f"tenant.{kind.name}s_set",
        tenant_id=tenant.pk,
        target=AuditTarget("tenant", tenant.pk, tenant.slug),
        before={kind.wish: not is_wanted},
        after={kind.wish: is_wanted},
        as_of=as_of,
    )


@transaction.atomic
def set_member_mails(*, membership: Membership, wishes: Mapping[MailKind, bool], actor: Actor, as_of: datetime) -> None:
    """Set which mails a member wants. Kinds that are not named stay as they are.

    Members choose only for themselves, among the kinds that their role may get. Raises `PermissionMissingError`.
    """
    lock_tenant(membership.tenant_id)
    current = Membership.objects.select_related("user").get(pk=membership.pk)
    is_somebody_else = actor.kind is ActorKind.MEMBER and actor.user_id != current.user_id
    if is_somebody_else or not all(may_want(membership=current, kind=kind) for kind in wishes):
        raise PermissionMissingError
    before = wishes_of(membership=current, kinds=wishes)
    after = {kind: wish for kind, wish in wishes.items() if before[kind] != wish}
    if not after:
        return
    for kind, is_wanted in after.items():
        MailPreference.objects.update_or_create(
            tenant_id=current.tenant_id, membership=current, kind=kind.name, defaults={"is_wanted": is_wanted}
        )
    record_audit(
        actor=actor,
        action="member.mails_chosen",
        tenant_id=current.tenant_id,
        target=AuditTarget("member", current.user_id, current.user.email),
        before={kind.wish: before[kind] for kind in after},
        after={kind.wish: is_wanted for kind, is_wanted in after.items()},
        as_of=as_of,
    )
