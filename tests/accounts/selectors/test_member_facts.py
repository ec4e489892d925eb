"""What a page of members shows of each person."""

from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession

from accounts.domain.roles import Role
from accounts.models import Membership, Tenant, User
from accounts.selectors.member_facts import MemberFacts, facts_of_people, members_without_second_factor
from tests.accounts.conftest import join


def test_the_last_session_counts_and_without_one_the_last_sign_in(alice: User, bob: User, now: datetime) -> None:
    for number, user in enumerate((alice, alice, bob)):
        UserSession.objects.create(
            user=user,
            ip="192.0.2.1",
            user_agent="",
            session_key=f"s{number}",
            last_seen_at=now - timedelta(days=number),
        )
    User.objects.filter(pk=bob.pk).update(last_login=now)
    bob.refresh_from_db()
    never = User.objects.create_user("never@example.com")
    Authenticator.objects.create(user=alice, type="totp", data={})
    Authenticator.objects.create(user=bob, type="recovery_codes", data={})

    facts = facts_of_people([alice, bob, never])

    assert facts == {
        alice.pk: MemberFacts(has_second_factor=True, last_seen_at=now),
        bob.pk: MemberFacts(has_second_factor=False, last_seen_at=now),
        never.pk: MemberFacts(has_second_factor=False, last_seen_at=None),
    }


def test_members_without_a_factor_are_counted(acme: Tenant, alice: User, bob: User, now: datetime) -> None:
    if not Membership.objects.filter(tenant=acme, user=bob).exists():
        join(acme, bob, Role.ADMIN, now)
    members = Membership.objects.filter(tenant=acme).count()
    Authenticator.objects.create(user=alice, type="webauthn", data={})

    assert members_without_second_factor(tenant_id=acme.pk) == members - 1
