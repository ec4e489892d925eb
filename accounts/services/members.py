"""Members of a tenant: inviting, joining, changing roles, leaving.

Every change locks the tenant's row first, so that one owner remains if two demote each other at once. An invitation's
link has 256 random bits, of which only a digest is stored. It works once, for seven days, and only for a person who is
signed in and has verified the address it was sent to. So a forwarded mail or a leaked link is worth nothing to others.
"""

import math
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from allauth.account.models import EmailAddress
from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.invitation_token import make_token, token_digest
from accounts.domain.reach import within_tenant
from accounts.domain.roles import Capability, Role, may_manage
from accounts.domain.tenant_settings import is_email
from accounts.errors import (
    AlreadyMemberError,
    FieldError,
    InvalidFieldsError,
    InvitationInvalidError,
    LastOwnerError,
    NotFoundError,
    OtherAddressError,
    PermissionMissingError,
    TooManyInvitationsError,
)
from accounts.models import Invitation, Membership, Tenant, User
from accounts.selectors.api_keys import keys_beyond
from accounts.selectors.invitations import open_invitation
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.mail import send_invitation
from accounts.services.rights import lock_tenant, require_capability, role_of_actor

INVITATION_VALID: Final = timedelta(days=7)
INVITATIONS_OPEN_MAX: Final = 50
INVITATIONS_PER_DAY_MAX: Final = 100
RESENT_AFTER: Final = timedelta(minutes=1)


def invite_member(*, tenant: Tenant, email: str, role: Role, actor: Actor, as_of: datetime) -> Invitation:
    """Invite an address. An open invitation of the same address is replaced, and its link expires.

    Raises `InvalidFieldsError`, `PermissionMissingError`, `AlreadyMemberError`, `TooManyInvitationsError`, and, after
    the invitation is created, `MailNotSentError`.
    """
    address = email.strip()
    if not is_email(address):
        refusal = FieldError("/email", "invalid_email", "An e-mail address.")
        raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))
    token = make_token()
    with transaction.atomic():
        current = lock_tenant(tenant.pk)
        _check_may_give(actor, current, role)
        if Membership.objects.filter(tenant=current, user__email__iexact=address).exists():
            raise AlreadyMemberError
        Invitation.objects.filter(tenant=current, email__iexact=address, accepted_at=None, revoked_at=None).update(
            revoked_at=as_of
        )
        _check_invitations_room(current, as_of)
        invitation: Invitation = Invitation.objects.create(
            tenant=current,
            email=address,
            role=role,
            token_digest=token_digest(token),
            invited_by_id=actor.user_id,
            created_at=as_of,
            expires_at=as_of + INVITATION_VALID,
        )
        _audit(actor, "member.invited", invitation, as_of, after={"email": address, "role": role})
        transaction.on_commit(partial(send_invitation, invitation=invitation, token=token, inviter=actor.label))
    return invitation


def resend_invitation(*, invitation: Invitation, actor: Actor, as_of: datetime) -> Invitation:
    """Send an open invitation again with a new link, valid for seven days. The link before expires.

    Raises `InvitationInvalidError` if it is no longer open, `TooManyInvitationsError` within a minute of the last
    mail, and what `invite_member` raises.
    """
    with transaction.atomic():
        tenant = lock_tenant(invitation.tenant_id)
        current = Invitation.objects.open_at(as_of).filter(pk=invitation.pk).first()
        if current is None:
            raise InvitationInvalidError
        wait = current.created_at + RESENT_AFTER - as_of
        if wait > timedelta(0):
            raise TooManyInvitationsError(f"Wait {math.ceil(wait.total_seconds())} seconds before you send it again.")
        return invite_member(tenant=tenant, email=current.email, role=Role(current.role), actor=actor, as_of=as_of)


def accept_invitation(*, token: str, user: User, actor: Actor, as_of: datetime) -> Membership:
    """Add the bearer as a member. Of two who use a link at once, one joins. A member keeps their role.

    Raises `InvitationInvalidError`, `OtherAddressError`.
    """
    with transaction.atomic():
        invitation = open_invitation(token=token, as_of=as_of)
        with within_tenant(invitation.tenant_id):
            lock_tenant(invitation.tenant_id)
            if not EmailAddress.objects.filter(user=user, verified=True, email__iexact=invitation.email).exists():
                raise OtherAddressError("Sign in with the address that the invitation was sent to, and verify it.")
            if Invitation.objects.open_at(as_of).filter(pk=invitation.pk).update(accepted_at=as_of) != 1:
                raise InvitationInvalidError
            membership, is_new = Membership.objects.get_or_create(
                tenant_id=invitation.tenant_id, user=user, defaults={"role": invitation.role, "created_at": as_of}
            )
            if is_new:
                _audit(actor, "member.joined", membership, as_of, after={"email": user.email, "role": membership.role})
    return membership


def revoke_invitation(*, invitation: Invitation, actor: Actor, as_of: datetime) -> None:
    """Expire the link. Raises `InvitationInvalidError` if it was used or revoked before."""
    with transaction.atomic():
        tenant = lock_tenant(invitation.tenant_id)
        _check_may_give(actor, tenant, Role(invitation.role))
        revoked = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None).update(
            revoked_at=as_of
        )
        if revoked != 1:
            raise InvitationInvalidError
        _audit(
            actor, "invitation.revoked", invitation, as_of, before={"email": invitation.email, "role": invitation.role}
        )


def change_role(*, membership: Membership, role: Role, actor: Actor, as_of: datetime) -> Membership:
    """Change a member's role. The member's keys belong to the tenant; the audit entry names those that allow more.

    Raises `PermissionMissingError`, `LastOwnerError`, `NotFoundError`.
    """
    with transaction.atomic():
        tenant = lock_tenant(membership.tenant_id)
        current = _membership_now(membership)
        before = Role(current.role)
        _check_may_give(actor, tenant, before)
        _check_may_give(actor, tenant, role)
        if before is role:
            return current
        if before is Role.OWNER:
            _check_another_owner(current)
        Membership.objects.filter(pk=current.pk).update(role=role)
        current.role = role
        after = {"role": role} | _keys_left(current, role, as_of)
        _audit(actor, "member.role_changed", current, as_of, before={"role": before}, after=after)
    return current


def remove_member(*, membership: Membership, actor: Actor, as_of: datetime) -> None:
    """Remove a member from a tenant. Any member may leave.

    Keys the member created belong to the tenant, and stay: the audit entry names those that work.

    Raises `PermissionMissingError`, `LastOwnerError`, `NotFoundError`.
    """
    with transaction.atomic():
        tenant = lock_tenant(membership.tenant_id)
        current = _membership_now(membership)
        is_leaving = actor.user_id == current.user_id and role_of_actor(actor, tenant.pk) is not None
        if not is_leaving:
            _check_may_give(actor, tenant, Role(current.role))
        if current.role == Role.OWNER:
            _check_another_owner(current)
        before: dict[str, object] = {"email": current.user.email, "role": current.role}
        _audit(actor, "member.removed", current, as_of, before=before, after=_keys_left(current, None, as_of))
        current.delete()


def _membership_now(membership: Membership) -> Membership:
    """Reload the row under the tenant's lock."""
    current = Membership.objects.filter(pk=membership.pk).select_related("user", "tenant").first()
    if current is None:
        raise NotFoundError
    return current


def _keys_left(membership: Membership, role: Role | None, as_of: datetime) -> dict[str, object]:
    """Return the keys, for the audit entry, that allow more than their creator may give now."""
    keys = keys_beyond(tenant_id=membership.tenant_id, maker_id=membership.user_id, role=role, as_of=as_of)
    return {"keys_left": [str(key) for key in keys]} if keys else {}


def _check_may_give(actor: Actor, tenant: Tenant, role: Role) -> None:
    """Raise unless the actor may give and remove this role, by the table of roles or as staff."""
    own = require_capability(actor, tenant.pk, Capability.MANAGE_MEMBERS)
    if own is not None and not may_manage(own, role):
        raise PermissionMissingError(f"Your role does not allow you to give or remove the role {role}.")


def _check_another_owner(membership: Membership) -> None:
    """Raise if the tenant has no other owner. The tenant's lock keeps the count valid."""
    others = Membership.objects.filter(tenant_id=membership.tenant_id, role=Role.OWNER).exclude(pk=membership.pk)
    if not others.exists():
        raise LastOwnerError


def _check_invitations_room(tenant: Tenant, as_of: datetime) -> None:
    own = Invitation.objects.filter(tenant=tenant)
    if own.filter(accepted_at=None, revoked_at=None, expires_at__gt=as_of).count() >= INVITATIONS_OPEN_MAX:
        raise TooManyInvitationsError(f"At most {INVITATIONS_OPEN_MAX} invitations may be open at once.")
    if own.filter(created_at__gt=as_of - timedelta(days=1)).count() >= INVITATIONS_PER_DAY_MAX:
        raise TooManyInvitationsError(f"At most {INVITATIONS_PER_DAY_MAX} invitations a day.")


def _audit(
    actor: Actor,
    action: str,
    target: Membership | Invitation,
    as_of: datetime,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    if isinstance(target, Membership):
        audited = AuditTarget("member", target.pk, target.user.email)
    else:
        audited = AuditTarget("invitation", target.pk, target.email)
    record_audit(
        actor=actor,
        action=action,
        tenant_id=target.tenant_id,
        target=audited,
        before=before,
        after=after,
        as_of=as_of,
    )
