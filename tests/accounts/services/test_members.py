"""Inviting, joining, changing roles, leaving."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail

from accounts.domain.roles import Role
from accounts.errors import (
    AlreadyMemberError,
    InvalidFieldsError,
    InvitationInvalidError,
    LastOwnerError,
    MailNotSentError,
    NotFoundError,
    OtherAddressError,
    PermissionMissingError,
    TooManyInvitationsError,
)
from accounts.models import AuditEntry, Invitation, Membership, Tenant, User
from accounts.selectors.invitations import is_invitation_open
from accounts.services import members
from accounts.services.members import (
    RESENT_AFTER,
    accept_invitation,
    change_role,
    invite_member,
    remove_member,
    resend_invitation,
    revoke_invitation,
)
from accounts.services.tenants import close_tenant
from tests.accounts.conftest import SYSTEM, join, make_user, member

Commit = Callable[..., Any]


@pytest.fixture
def invite(acme: Tenant, alice: User, now: datetime, django_capture_on_commit_callbacks: Commit) -> Callable[..., str]:
    """Invite a person and return the token that the mail carries."""

    def send(email: str = "newt@example.com", role: Role = Role.DEVELOPER, as_of: datetime = now) -> str:
        with django_capture_on_commit_callbacks(execute=True):
            invite_member(tenant=acme, email=email, role=role, actor=member(alice), as_of=as_of)
        return token_in(mail.outbox[-1].body)

    return send


def token_in(text: object) -> str:
    match = re.search(r"http://localhost:\d+/invitations/([\w-]{43})/", str(text))
    assert match is not None, text
    return match[1]


@pytest.fixture
def newt(db: None) -> User:
    return make_user("newt@example.com")


def test_an_invitation_is_mailed_and_creates_a_member_once(
    invite: Callable[..., str], acme: Tenant, newt: User, now: datetime
) -> None:
    token = invite("Newt@Example.com")
    message = mail.outbox[0]
    assert (message.to, message.subject) == (["Newt@Example.com"], "Join Acme on Countinghouse")
    html = message.alternatives[0].content  # type: ignore[attr-defined] # of EmailMultiAlternatives
    assert token_in(html) == token
    joined = accept_invitation(token=token, user=newt, actor=member(newt), as_of=now)
    assert (joined.tenant, joined.role) == (acme, "developer")
    with pytest.raises(InvitationInvalidError):
        accept_invitation(token=token, user=newt, actor=member(newt), as_of=now)
    assert list(AuditEntry.objects.filter(action__startswith="member.").values_list("action", flat=True)) == [
        "member.joined",
        "member.invited",
    ]


def test_only_a_digest_of_the_invitations_token_is_stored(invite: Callable[..., str]) -> None:
    token = invite()
    invitation = Invitation.objects.get()
    assert bytes(invitation.token_digest) == hashlib.sha256(token.encode()).digest()
    assert token not in str(Invitation.objects.values()) + str(AuditEntry.objects.values())


def test_an_invitation_is_refused_to_another_address(
    invite: Callable[..., str], vera: User, newt: User, now: datetime
) -> None:
    token = invite()
    EmailAddress.objects.filter(user=newt).update(verified=False)
    for user in (vera, newt):
        with pytest.raises(OtherAddressError):
            accept_invitation(token=token, user=user, actor=member(user), as_of=now)
    EmailAddress.objects.filter(user=newt).update(verified=True)
    assert accept_invitation(token=token, user=newt, actor=member(newt), as_of=now)


def test_an_invitation_expires_after_a_week(invite: Callable[..., str], newt: User, now: datetime) -> None:
    token = invite()
    assert is_invitation_open(token=token, as_of=now + timedelta(days=7, seconds=-1))
    assert not is_invitation_open(token=token, as_of=now + timedelta(days=7))
    with pytest.raises(InvitationInvalidError):
        accept_invitation(token=token, user=newt, actor=member(newt), as_of=now + timedelta(days=7))


def test_inviting_again_expires_the_first_link(invite: Callable[..., str], now: datetime) -> None:
    first, second = invite(), invite("NEWT@example.com")
    assert not is_invitation_open(token=first, as_of=now)
    assert is_invitation_open(token=second, as_of=now)


def test_a_revoked_invitation_is_refused_and_is_revoked_once(
    invite: Callable[..., str], alice: User, now: datetime
) -> None:
    token = invite()
    invitation = Invitation.objects.get()
    revoke_invitation(invitation=invitation, actor=member(alice), as_of=now)
    assert not is_invitation_open(token=token, as_of=now)
    with pytest.raises(InvitationInvalidError):
        revoke_invitation(invitation=invitation, actor=member(alice), as_of=now)


def test_a_closed_tenant_accepts_no_member(invite: Callable[..., str], acme: Tenant, now: datetime) -> None:
    token = invite()
    close_tenant(tenant=acme, reason="", actor=SYSTEM, as_of=now)
    assert not is_invitation_open(token=token, as_of=now)


def test_a_member_who_is_invited_under_another_address_keeps_the_role(
    invite: Callable[..., str], vera: User, now: datetime
) -> None:
    token = invite("vera@work.example")
    EmailAddress.objects.create(user=vera, email="vera@work.example", verified=True)
    assert accept_invitation(token=token, user=vera, actor=member(vera), as_of=now).role == "viewer"


@pytest.mark.parametrize(
    "email",
    [
        "",
        "x",
        "a@b",
        "a b@example.com",
        "a@example.com\n",
        "a@exam\x00ple.com",
        "é@example.com",
        "a" * 300 + "@example.com",
    ],
)
def test_a_bad_address_is_refused(acme: Tenant, alice: User, now: datetime, email: str) -> None:
    if email == "a@example.com\n":
        assert (
            invite_member(tenant=acme, email=email, role=Role.VIEWER, actor=member(alice), as_of=now).email
            == "a@example.com"
        )
        return
    with pytest.raises(InvalidFieldsError):
        invite_member(tenant=acme, email=email, role=Role.VIEWER, actor=member(alice), as_of=now)


def test_a_member_is_not_invited_again(acme: Tenant, alice: User, now: datetime) -> None:
    with pytest.raises(AlreadyMemberError):
        invite_member(tenant=acme, email="BOB@example.com", role=Role.VIEWER, actor=member(alice), as_of=now)


def test_invitations_are_bounded(acme: Tenant, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "INVITATIONS_OPEN_MAX", 2)
    monkeypatch.setattr(members, "INVITATIONS_PER_DAY_MAX", 3)
    for number in range(2):
        invite_member(tenant=acme, email=f"a{number}@example.com", role=Role.VIEWER, actor=member(alice), as_of=now)
    with pytest.raises(TooManyInvitationsError, match="open at once"):
        invite_member(tenant=acme, email="a2@example.com", role=Role.VIEWER, actor=member(alice), as_of=now)
    invite_member(tenant=acme, email="a1@example.com", role=Role.VIEWER, actor=member(alice), as_of=now)
    with pytest.raises(TooManyInvitationsError, match="a day"):
        invite_member(tenant=acme, email="a1@example.com", role=Role.VIEWER, actor=member(alice), as_of=now)


def test_an_invitation_whose_mail_cannot_be_sent_raises_an_error(
    acme: Tenant, alice: User, now: datetime, settings: Any, django_capture_on_commit_callbacks: Commit
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with pytest.raises(MailNotSentError), django_capture_on_commit_callbacks(execute=True):
        invite_member(tenant=acme, email="newt@example.com", role=Role.VIEWER, actor=member(alice), as_of=now)
    assert Invitation.objects.exists()


def membership_of(user: User) -> Membership:
    return Membership.objects.get(user=user)


@pytest.mark.parametrize("role", list(Role))
def test_an_admin_gives_and_takes_only_lower_roles(
    acme: Tenant, bob: User, vera: User, alice: User, now: datetime, role: Role
) -> None:
    change_role(membership=membership_of(bob), role=Role.ADMIN, actor=member(alice), as_of=now)
    actor = member(bob)
    if role in {Role.DEVELOPER, Role.BILLING, Role.VIEWER}:
        assert change_role(membership=membership_of(vera), role=role, actor=actor, as_of=now).role == role
        assert invite_member(tenant=acme, email="x@example.com", role=role, actor=actor, as_of=now)
        return
    for forbidden in (
        lambda: change_role(membership=membership_of(vera), role=role, actor=actor, as_of=now),
        lambda: invite_member(tenant=acme, email="x@example.com", role=role, actor=actor, as_of=now),
        lambda: change_role(membership=membership_of(alice), role=Role.VIEWER, actor=actor, as_of=now),
        lambda: remove_member(membership=membership_of(alice), actor=actor, as_of=now),
    ):
        with pytest.raises(PermissionMissingError):
            forbidden()


def test_a_developer_and_a_stranger_change_no_members_role(
    acme: Tenant, bob: User, vera: User, charlie: User, now: datetime
) -> None:
    for user in (bob, charlie):
        with pytest.raises(PermissionMissingError):
            change_role(membership=membership_of(vera), role=Role.DEVELOPER, actor=member(user, Role.OWNER), as_of=now)
        with pytest.raises(PermissionMissingError):
            remove_member(membership=membership_of(vera), actor=member(user, Role.OWNER), as_of=now)


def test_the_last_owner_stays(acme: Tenant, alice: User, bob: User, now: datetime) -> None:
    with pytest.raises(LastOwnerError):
        change_role(membership=membership_of(alice), role=Role.ADMIN, actor=member(alice), as_of=now)
    with pytest.raises(LastOwnerError):
        remove_member(membership=membership_of(alice), actor=member(alice), as_of=now)
    change_role(membership=membership_of(bob), role=Role.OWNER, actor=member(alice), as_of=now)
    remove_member(membership=membership_of(alice), actor=member(alice), as_of=now)
    assert set(acme.memberships.values_list("role", flat=True)) == {"owner", "viewer"}


def test_any_member_may_leave_once(acme: Tenant, vera: User, now: datetime) -> None:
    membership = membership_of(vera)
    remove_member(membership=membership, actor=member(vera), as_of=now)
    with pytest.raises((NotFoundError, PermissionMissingError)):
        remove_member(membership=membership, actor=member(vera), as_of=now)
    entry = AuditEntry.objects.get(action="member.removed")
    assert (entry.before, entry.target_label) == ({"email": "vera@example.com", "role": "viewer"}, "vera@example.com")


def test_the_same_role_again_is_no_change(acme: Tenant, alice: User, vera: User, now: datetime) -> None:
    change_role(membership=membership_of(vera), role=Role.VIEWER, actor=member(alice), as_of=now)
    assert not AuditEntry.objects.filter(action="member.role_changed").exists()


def test_a_person_may_be_a_member_of_several_tenants(acme: Tenant, globex: Tenant, bob: User, now: datetime) -> None:
    join(globex, bob, Role.VIEWER, now)
    assert bob.memberships.count() == 2


def test_an_invitation_is_sent_again_after_a_minute_with_a_new_link(
    acme: Tenant, alice: User, now: datetime, invite: Callable[..., str], django_capture_on_commit_callbacks: Commit
) -> None:
    first = invite()
    old = Invitation.objects.get(tenant=acme, email="newt@example.com")
    with pytest.raises(TooManyInvitationsError, match="Wait 60 seconds"):
        resend_invitation(invitation=old, actor=member(alice), as_of=now)

    later = now + RESENT_AFTER
    with django_capture_on_commit_callbacks(execute=True):
        new = resend_invitation(invitation=old, actor=member(alice), as_of=later)

    second = token_in(mail.outbox[-1].body)
    assert (new.email, new.role, new.created_at) == (old.email, old.role, later)
    assert (is_invitation_open(token=first, as_of=later), is_invitation_open(token=second, as_of=later)) == (
        False,
        True,
    )
    with pytest.raises(InvitationInvalidError):
        resend_invitation(invitation=old, actor=member(alice), as_of=later + RESENT_AFTER)
