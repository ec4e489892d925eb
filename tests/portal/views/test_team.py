"""Members and invitations on the portal's pages."""

import re
from collections.abc import Callable

from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client, TestCase

from accounts.domain.roles import Role
from accounts.models import Invitation, Membership
from accounts.services.members import RESENT_AFTER
from tests.portal.conftest import NOW, Cast, join, make_user, signed_in


def _membership(cast: Cast, name: str) -> Membership:
    return Membership.objects.get(tenant=cast.acme, user=getattr(cast, name))


def _invite(client: Client, email: str) -> str:
    """Invite, and return the path of the link that was sent."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        answer = client.post("/t/acme/team/invite/", {"email": email, "role": "developer"})
    assert answer.status_code == 302, answer.content
    found = re.search(r"https?://[^/\s]+(/invitations/[^/\s]+/)", mail.outbox[-1].body)
    assert found is not None
    return found[1]


def test_an_invitation_is_sent_and_the_invited_person_joins(cast: Cast, alice: Client) -> None:
    link = _invite(alice, "erin@example.com")
    erin = make_user("erin@example.com")
    client = signed_in(erin)

    assert mail.outbox[-1].to == ["erin@example.com"]
    assert b"Join Acme" in client.get(link).content
    assert client.post(link)["Location"] == "/t/acme/"
    assert Membership.objects.get(tenant=cast.acme, user=erin).role == Role.DEVELOPER
    assert client.get(link).status_code == 404  # it works once


def test_a_stranger_with_the_link_signs_up_and_comes_back(cast: Cast, alice: Client, client: Client) -> None:
    link = _invite(alice, "erin@example.com")

    page = client.get(link).content.decode()

    assert f"/accounts/signup/?next={link.replace('/', '%2F')}" in page
    client.force_login(make_user("erin@example.com"), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/start/")["Location"] == link


def test_the_link_is_refused_to_another_address(cast: Cast, alice: Client) -> None:
    link = _invite(alice, "erin@example.com")
    mallory = make_user("mallory@example.com")
    client = signed_in(mallory)

    assert b"The invitation is for erin@example.com" in client.get(link).content
    client.post(link)
    assert not Membership.objects.filter(user=mallory).exists()
    assert client.get("/start/").status_code == 200  # and does not hold her back


def test_an_invented_link_looks_the_same_as_an_expired_one(db: None, client: Client) -> None:
    answer = client.get("/invitations/nonsense/")

    assert answer.status_code == 404
    assert b"no longer valid" in answer.content


def test_a_revoked_invitation_is_refused(cast: Cast, alice: Client) -> None:
    link = _invite(alice, "erin@example.com")
    invitation = Invitation.objects.get()
    url = f"/t/acme/team/invitations/{invitation.pk}/revoke/"

    assert b"erin@example.com" in alice.get(url).content
    assert b"was revoked" in alice.post(url, follow=True).content
    assert b"no longer valid" in alice.post(url, follow=True).content  # not twice
    assert alice.get(link).status_code == 404


def test_an_admin_gives_no_role_above_or_beside_the_own(cast: Cast) -> None:
    bob = signed_in(cast.bob)

    assert [role for role, _ in bob.get("/t/acme/team/invite/").context["form"].fields["role"].choices] == [
        "developer",
        "billing",
        "viewer",
    ]
    assert bob.post("/t/acme/team/invite/", {"email": "erin@example.com", "role": "owner"}).status_code == 422
    answer = bob.post(f"/t/acme/team/{_membership(cast, 'alice').pk}/", {"role": "viewer"})
    assert answer.status_code == 422
    assert _membership(cast, "alice").role == Role.OWNER


def test_the_role_of_a_member_is_changed(cast: Cast, alice: Client) -> None:
    alice.post(f"/t/acme/team/{_membership(cast, 'vera').pk}/", {"role": "developer"})

    assert _membership(cast, "vera").role == Role.DEVELOPER


def test_the_last_owner_cannot_leave(cast: Cast, alice: Client) -> None:
    own = _membership(cast, "alice").pk

    assert b"keeps at least one owner" in alice.post(f"/t/acme/team/{own}/", {"role": "viewer"}).content
    assert b"keeps at least one owner" in alice.post(f"/t/acme/team/{own}/remove/", follow=True).content
    assert _membership(cast, "alice").role == Role.OWNER


def test_a_member_is_removed_after_a_confirmation(cast: Cast, alice: Client) -> None:
    url = f"/t/acme/team/{_membership(cast, 'vera').pk}/remove/"

    assert b"Remove vera@example.com?" in alice.get(url).content
    alice.post(url)
    assert not Membership.objects.filter(user=cast.vera).exists()
    assert signed_in(cast.vera).get("/t/acme/").status_code == 404


def test_every_member_may_leave_and_no_one_is_removed_by_a_peer(cast: Cast) -> None:
    vera = signed_in(cast.vera)

    refused = vera.post(f"/t/acme/team/{_membership(cast, 'dora').pk}/remove/", follow=True)
    assert b"does not allow" in refused.content
    assert Membership.objects.filter(user=cast.dora).exists()

    assert vera.post(f"/t/acme/team/{_membership(cast, 'vera').pk}/remove/")["Location"] == "/start/"
    assert not Membership.objects.filter(user=cast.vera).exists()


def test_inviting_a_member_is_refused_on_the_form(cast: Cast, alice: Client) -> None:
    answer = alice.post("/t/acme/team/invite/", {"email": "VERA@example.com", "role": "viewer"})

    assert answer.status_code == 422
    assert not mail.outbox


def test_members_are_found_and_listed_in_as_many_queries_for_many_as_for_few(
    cast: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    for_few = query_count(alice, "/t/acme/team/")
    for number in range(30):
        join(make_user(f"member{number}@example.com"), cast.acme, Role.VIEWER)

    assert query_count(alice, "/t/acme/team/") == for_few
    assert len(alice.get("/t/acme/team/").context["rows"]) == 25
    assert [row.member.user for row in alice.get("/t/acme/team/?search=DORA").context["rows"]] == [cast.dora]
    assert [row.member.user for row in alice.get("/t/acme/team/?role=owner").context["rows"]] == [cast.alice]
    assert b"No matching members" in alice.get("/t/acme/team/?search=zzz").content


def test_an_invitation_is_sent_again_when_its_minute_is_over(cast: Cast, alice: Client) -> None:
    _invite(alice, "erin@example.com")
    invitation = Invitation.objects.get(email="erin@example.com")
    url = f"/t/acme/team/invitations/{invitation.pk}/resend/"

    page = alice.get("/t/acme/team/").content.decode()
    assert 'data-wait="60"' in page
    assert "Wait 60 seconds" in alice.post(url, follow=True).content.decode()
    Invitation.objects.update(created_at=NOW - RESENT_AFTER)
    assert "data-wait" not in alice.get("/t/acme/team/").content.decode()
    assert "Send the invitation again?" in alice.get(url).content.decode()

    assert "again. The link before no longer works" in alice.post(url, follow=True).content.decode()
    assert alice.post(url.replace(str(invitation.pk), "999999")).status_code == 404


def test_who_manages_members_sees_their_second_factor_and_when_they_were_seen(
    cast: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    Authenticator.objects.create(user=cast.dora, type="totp", data={})
    shown = {row.member.user.email: row.facts for row in alice.get("/t/acme/team/").context["rows"]}

    assert shown["dora@example.com"].has_second_factor
    assert not shown["vera@example.com"].has_second_factor
    assert shown["alice@example.com"].last_seen_at is not None
    assert b"Last seen" not in signed_in(cast.vera).get("/t/acme/team/").content
    before = query_count(alice, "/t/acme/team/")
    join(make_user("erin@example.com"), cast.acme, Role.VIEWER)
    assert query_count(alice, "/t/acme/team/") == before


def test_a_required_second_factor_leads_members_to_set_it_up_and_no_owner_is_locked_out(
    cast: Cast, alice: Client
) -> None:
    url = "/t/acme/team/second-factor/"
    assert "Without one now: 4." in alice.get(url).content.decode()
    refused = alice.post(url, follow=True)
    assert "Set up a second factor of your own first." in refused.content.decode()
    assert alice.get("/t/acme/").status_code == 200

    Authenticator.objects.create(user=cast.alice, type="totp", data={})
    assert alice.post(url)["Location"] == "/t/acme/team/"
    assert alice.get("/t/acme/team/")["Location"] == "/accounts/2fa/reauthenticate/?next=%2Ft%2Facme%2Fteam%2F"
    _prove(alice)
    assert "Required" in alice.get("/t/acme/team/").content.decode()

    vera = signed_in(cast.vera)
    assert vera.get("/t/acme/")["Location"] == "/accounts/second-factor/?next=%2Ft%2Facme%2F"
    assert vera.post("/t/acme/notices/")["Location"] == "/accounts/second-factor/?next=%2Ft%2Facme%2F"
    assert b"Your organisation requires a second factor" in vera.get("/accounts/second-factor/").content
    Authenticator.objects.create(user=cast.vera, type="totp", data={})
    _prove(vera)
    assert vera.get("/accounts/second-factor/?next=/t/acme/")["Location"] == "/t/acme/"
    assert vera.get("/t/acme/").status_code == 200
    assert signed_in(cast.charlie).get("/t/acme/").status_code == 404  # as if there were no such tenant
    assert signed_in(cast.charlie).get("/t/rival/").status_code == 200

    alice.post(url)
    assert signed_in(cast.bob).get("/t/acme/").status_code == 200


def _prove(client: Client) -> None:
    """Store in the session that a code of the app was seen, as allauth does."""
    session = client.session
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = session["_auth_user_id"]
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "type": "totp", "at": NOW.timestamp()}]
    session.save()
