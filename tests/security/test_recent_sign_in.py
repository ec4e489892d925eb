"""Whatever gives away money, keys or the organisation needs a sign-in of the last ten minutes, and leads back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import ApiKey, Invitation, Membership, Tenant, User
from accounts.services.tenants import open_tenant
from tests.security.conftest import PASSWORD, entered, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_cache")]
KEY = {"name": "Gateway of the shop", "kind": "live", "scopes": "usage:read"}
OLD = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 3, 10, 12, 30, tzinfo=UTC), tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def acme(dora: User) -> Tenant:
    return open_tenant(name="Acme", owner=dora, actor=Actor.system("test"), as_of=timezone.now())


@pytest.fixture
def client(dora: User, acme: Tenant, clock: time_machine.Traveller) -> Client:
    """Return Dora's browser, ten minutes after she signed in."""
    client = entered(dora)
    client.get("/t/acme/")
    clock.shift(OLD)
    return client


def is_asked(response: Any, page: str = "account_reauthenticate") -> bool:
    return response.status_code == 302 and urlsplit(response.url).path == reverse(page)


def prove(client: Client, asked: Any) -> Any:
    target = parse_qs(urlsplit(asked.url).query)["next"][0]
    return client.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": target})


SENSITIVE = [
    ("GET", "/t/acme/keys/new/", {}),
    ("POST", "/t/acme/keys/new/", KEY),
    ("POST", "/t/acme/team/invite/", {"email": "eve@example.com", "role": "owner"}),
    ("POST", "/t/acme/plan/choose/", {"plan": "pro", "when": "now"}),
    ("POST", "/t/acme/plan/cancel/", {"when": "now", "version": "1"}),
    ("POST", "/t/acme/plan/card/", {}),
    ("POST", "/t/acme/invoices/1/pay/", {}),
    ("POST", "/accounts/email/", {"email": "eve@example.com", "action_add": ""}),
    ("GET", "/accounts/2fa/recovery-codes/generate/", {}),
]


@pytest.mark.parametrize(("method", "path", "form"), SENSITIVE)
def test_an_old_session_must_sign_in_again(client: Client, method: str, path: str, form: dict[str, str]) -> None:
    answer = client.get(path) if method == "GET" else client.post(path, form)
    assert is_asked(answer), (answer.status_code, answer.headers)
    assert not ApiKey.objects.exists()
    assert not Invitation.objects.exists()


def test_the_submitted_form_is_processed_after_the_new_sign_in(client: Client) -> None:
    asked = client.post("/t/acme/keys/new/", KEY)
    client.post(reverse("account_reauthenticate"), {"password": "not mine", "next": "/t/acme/keys/new/"})
    assert not ApiKey.objects.exists()
    assert prove(client, asked).status_code == 201
    assert ApiKey.objects.get().name == "Gateway of the shop"


def test_the_form_returns_and_stays_open_for_ten_minutes(client: Client, clock: time_machine.Traveller) -> None:
    back = prove(client, client.get("/t/acme/keys/new/"))
    assert back.url == "/t/acme/keys/new/"
    clock.shift(OLD - timedelta(seconds=1))
    assert client.get(back.url).status_code == 200
    clock.shift(timedelta(seconds=1))
    assert is_asked(client.get(back.url))


def test_a_new_sign_in_is_recent(dora: User, acme: Tenant) -> None:
    assert entered(dora).post("/t/acme/keys/new/", KEY).status_code == 201


def test_inviting_a_member_who_is_no_owner_needs_no_recent_sign_in(client: Client) -> None:
    assert client.post("/t/acme/team/invite/", {"email": "eve@example.com", "role": "viewer"}).url == "/t/acme/team/"
    assert Invitation.objects.get().role == Role.VIEWER


def test_adding_and_removing_owners_needs_a_recent_sign_in(client: Client, acme: Tenant) -> None:
    others = [make_user(f"{role}@example.com") for role in ("owner", "viewer")]
    owner, viewer = (
        Membership.objects.create(tenant=acme, user=user, role=user.email.split("@")[0], created_at=timezone.now())
        for user in others
    )
    for member, role in ((viewer, "owner"), (owner, "viewer")):
        assert is_asked(client.post(f"/t/acme/team/{member.pk}/", {"role": role}))
    assert is_asked(client.post(f"/t/acme/team/{owner.pk}/remove/"))
    assert client.post(f"/t/acme/team/{viewer.pk}/remove/").url == "/t/acme/team/"
    assert Membership.objects.filter(tenant=acme, role=Role.OWNER).count() == 2


def test_changing_the_address_for_bills_needs_a_recent_sign_in(client: Client, acme: Tenant) -> None:
    form = {"name": "Acme Works", "time_zone": acme.time_zone, "currency": acme.currency, "backfill_days": "35"}
    assert is_asked(client.post("/t/acme/settings/", form | {"billing_email": "eve@example.com"}))
    acme.refresh_from_db()
    assert acme.billing_email != "eve@example.com"


def test_a_user_without_a_password_signs_in_again(acme: Tenant, clock: time_machine.Traveller) -> None:
    # As people do who use single sign-on. The page that they wanted follows.
    kim = make_user("kim@example.com")
    Membership.objects.create(tenant=acme, user=kim, role=Role.OWNER, created_at=timezone.now())
    client = entered(kim)
    client.get("/t/acme/")
    clock.shift(OLD)
    asked = client.get("/t/acme/keys/new/")
    assert is_asked(asked, "sign_in_again")
    assert "Sign in again" in client.get(asked.url).text
    out = client.post(reverse("sign_in_again"), {"next": "/t/acme/keys/new/"})
    assert out.url == "/accounts/login/?next=%2Ft%2Facme%2Fkeys%2Fnew%2F"
    assert "_auth_user_id" not in client.session


def test_a_user_without_a_password_needs_a_recent_sign_in_to_close_an_account(
    acme: Tenant, clock: time_machine.Traveller
) -> None:
    kim = make_user("kim@example.com")
    Membership.objects.create(tenant=acme, user=kim, role=Role.OWNER, created_at=timezone.now())
    client = entered(kim)
    assert client.get("/t/acme/settings/close/").status_code == 200
    clock.shift(OLD)
    assert is_asked(client.post("/t/acme/settings/close/", {"slug": "acme"}), "sign_in_again")


def test_staff_who_view_as_a_customer_have_no_recent_sign_in_of_theirs(robin: User, dora: User, acme: Tenant) -> None:
    client = entered(robin)
    wanted = {"user_pk": dora.pk, "tenant": str(acme.pk), "reason": "Ticket 4711", "next": "/t/acme/"}
    client.post(reverse("hijack:acquire"), wanted)
    assert client.post("/t/acme/keys/new/", KEY).status_code in {302, 403, 404}
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("method", "page"),
    [
        ("GET", "accounts/apikey/add/"),
        ("POST", "accounts/apikey/add/"),
        ("POST", "accounts/user/add/"),
        ("POST", "auth/group/add/"),
    ],
)
def test_staff_need_a_recent_sign_in_to_create_keys_and_colleagues(
    robin: User, clock: time_machine.Traveller, method: str, page: str
) -> None:
    client = entered(robin)
    client.get("/admin/")
    clock.shift(OLD)
    answer = client.generic(method, f"/admin/{page}", "name=Mine&password1=typed-secret")
    assert is_asked(answer)
    assert "typed-secret" not in str(dict(client.session))
    assert client.get("/admin/accounts/user/").status_code == 200
