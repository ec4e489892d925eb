"""A key gives no more than its creator has, whether a member or another key creates it."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.roles import Role
from accounts.domain.scopes import SCOPES_FOR_TENANT_KEYS, Scope, scopes_of_role
from accounts.errors import PermissionMissingError
from accounts.keys.services.api_keys import KeyTerms, create_api_key, rotate_api_key
from accounts.models import ApiKey, AuditEntry, Membership, Tenant, User
from accounts.services.members import change_role, remove_member
from tests.accounts.conftest import Api, body_of, problem_of
from tests.isolation.world import BACKEND, make_user
from tests.metering.ledger_world import LONG_AGO, make_key, make_tenant

pytestmark = pytest.mark.django_db

OWN = ("events:write", "usage:read", "keys:manage")
MONEY = (
    "/invoices",
    "/invoices/INV-1",
    "/invoices/INV-1/pdf",
    "/credit-notes",
    "/payments",
    "/subscription",
    "/alerts",
)


@pytest.fixture
def acme(db: None) -> Tenant:
    return make_tenant("acme")


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def join(tenant: Tenant, role: Role) -> User:
    user = make_user(f"{role}@acme.example")
    Membership.objects.create(tenant=tenant, user=user, role=role, created_at=LONG_AGO)
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def actor(user: User) -> Actor:
    return Actor.member(
        user_id=user.pk, label=user.email, role=Role.OWNER
    )  # the role that the caller holds counts for nothing


def test_the_table_of_roles_and_scopes_is_as_documented() -> None:
    assert scopes_of_role(Role.OWNER) == scopes_of_role(Role.ADMIN) == SCOPES_FOR_TENANT_KEYS
    assert set(SCOPES_FOR_TENANT_KEYS) - set(scopes_of_role(Role.DEVELOPER)) == {Scope.BILLING_READ}
    assert scopes_of_role(Role.VIEWER) == ()


@pytest.mark.parametrize("role", Role)
def test_a_member_creates_keys_with_the_scopes_of_the_role(role: Role, acme: Tenant, now: datetime) -> None:
    user = join(acme, role)
    for scope in SCOPES_FOR_TENANT_KEYS:
        terms, given = KeyTerms(name="mine", scopes=[scope]), scopes_of_role(role)
        if scope in given:
            create_api_key(tenant=acme, kind=KeyKind.LIVE, terms=terms, actor=actor(user), as_of=now)
        else:
            with pytest.raises(PermissionMissingError):
                create_api_key(tenant=acme, kind=KeyKind.LIVE, terms=terms, actor=actor(user), as_of=now)
    assert {name for key in ApiKey.objects.all() for name in key.scopes} == {scope.value for scope in given}


def test_a_developer_does_not_get_the_successor_of_a_wider_key(acme: Tenant, now: datetime) -> None:
    dora, (wide, _) = join(acme, Role.DEVELOPER), make_key(acme, scopes=["billing:read"])
    with pytest.raises(PermissionMissingError):
        rotate_api_key(key=wide, grace=timedelta(0), actor=actor(dora), as_of=now)
    client = signed_in(dora)
    assert client.post(f"/t/acme/keys/{wide.pk}/rotate/", {"grace_seconds": 0}).status_code == 422
    assert ApiKey.objects.get().expires_at is None
    assert "/rotate/" not in client.get("/t/acme/keys/").content.decode()
    assert "/rotate/" not in client.get(f"/t/acme/keys/{wide.pk}/").content.decode()


def test_the_portal_offers_only_scopes_that_may_be_given(acme: Tenant) -> None:
    developer, admin = signed_in(join(acme, Role.DEVELOPER)), signed_in(join(acme, Role.ADMIN))
    form = {"name": "Books", "kind": "live", "scopes": ["billing:read"]}
    assert b"billing:read" not in developer.get("/t/acme/keys/new/").content
    assert developer.post("/t/acme/keys/new/", form).status_code == 422
    assert not ApiKey.objects.exists()
    assert b"billing:read" in admin.get("/t/acme/keys/new/").content
    assert admin.post("/t/acme/keys/new/", form).status_code == 201


# Keys that create keys


@pytest.mark.parametrize("limits", [{"quota": 100}, {"throttle_rate": 10, "throttle_burst": 10}], ids=str)
def test_a_key_created_by_a_limited_key_counts_against_the_same_limits(
    limits: dict[str, int], acme: Tenant, now: datetime
) -> None:
    own, secret = make_key(acme, scopes=list(OWN), **limits)
    child = body_of(Api(secret).post("/keys", {"name": "x", "kind": "live", "scopes": ["usage:read"]}))
    made = ApiKey.objects.get(pk=child["id"])
    successor = rotate_api_key(key=made, grace=timedelta(0), actor=Actor.system("test"), as_of=now).key
    assert made.family_id == successor.family_id == own.pk, "100 calls in all, and not 100 each"
    assert {name: getattr(made, name) for name in limits} == limits


def test_a_key_created_by_a_key_without_limits_has_its_own(acme: Tenant) -> None:
    _, secret = make_key(acme, scopes=list(OWN))
    child = body_of(Api(secret).post("/keys", {"name": "x", "kind": "live", "scopes": ["usage:read"], "quota": "5"}))
    assert ApiKey.objects.get(pk=child["id"]).family_id is None


@pytest.mark.parametrize(
    "wider",
    [
        {"scopes": [*OWN, "billing:read"]},
        {"quota": 101},
        {"quota": None},
        {"throttle_rate": 11, "throttle_burst": 10},
        {"throttle_rate": None, "throttle_burst": None},
        {"allowed_cidrs": ["0.0.0.0/0"]},
        {"allowed_cidrs": []},
        {"expires_at": None},
    ],
    ids=str,
)
def test_a_narrow_key_changes_no_wider_one(wider: dict[str, object], acme: Tenant, now: datetime) -> None:
    narrow = {
        "scopes": list(OWN), "quota": 100, "throttle_rate": 10, "throttle_burst": 10,
        "allowed_cidrs": ["127.0.0.0/8"], "expires_at": now + timedelta(days=1),
    }  # fmt: skip
    (own, secret), (other, _) = make_key(acme, **narrow), make_key(acme, **(narrow | wider))
    api = Api(secret)
    assert problem_of(api.delete(f"/keys/{other.pk}"), 403)["code"] == "wider_than_own"
    assert problem_of(api.post(f"/keys/{other.pk}/rotate", {}), 403)["code"] == "wider_than_own"
    other.refresh_from_db()
    assert other.revoked_at is None
    assert ApiKey.objects.count() == 2
    alike, _ = make_key(acme, **narrow)
    assert api.delete(f"/keys/{alike.pk}").status_code == 204
    assert api.delete(f"/keys/{own.pk}").status_code == 204


def test_a_test_key_neither_lists_nor_changes_live_ones(acme: Tenant) -> None:
    live, _ = make_key(acme, scopes=["usage:read"])
    test, secret = make_key(acme, kind=KeyKind.TEST, scopes=[scope.value for scope in SCOPES_FOR_TENANT_KEYS])
    api = Api(secret)
    assert [key["id"] for key in body_of(api.get("/keys"))["data"]] == [str(test.pk)]
    problem_of(api.delete(f"/keys/{live.pk}"), 404)
    problem_of(api.post(f"/keys/{live.pk}/rotate", {}), 404)
    assert problem_of(api.post("/keys", {"name": "x", "kind": "live", "scopes": ["usage:read"]}), 403)
    live.refresh_from_db()
    assert live.revoked_at is None
    assert live.expires_at is None
    _, live_secret = make_key(acme, scopes=["keys:manage", *(scope.value for scope in SCOPES_FOR_TENANT_KEYS)])
    assert Api(live_secret).delete(f"/keys/{test.pk}").status_code == 204


@pytest.mark.parametrize("path", MONEY)
def test_a_test_key_sees_no_money(path: str, acme: Tenant) -> None:
    _, test = make_key(acme, kind=KeyKind.TEST, scopes=["billing:read"])
    assert "test key" in problem_of(Api(test).get(path), 404)["detail"]
    preview = Api(test).post("/subscription/preview", {"plan": "pro", "at": "now"})
    assert "test key" in problem_of(preview, 404)["detail"]


# A suspended tenant


def test_a_suspended_tenant_gets_no_key(acme: Tenant, now: datetime) -> None:
    alice, (key, _) = join(acme, Role.OWNER), make_key(acme, scopes=["usage:read"])
    Tenant.objects.filter(pk=acme.pk).update(status="suspended")
    client = signed_in(alice)
    form = {"name": "Gateway", "kind": "live", "scopes": ["events:write"]}
    assert client.post("/t/acme/keys/new/", form).status_code == 422
    assert client.post(f"/t/acme/keys/{key.pk}/rotate/", {"grace_seconds": 0}).status_code == 422
    assert client.post("/t/acme/first-steps/", {"kind": "test"}).status_code == 200
    assert ApiKey.objects.count() == 1
    for page in ("/t/acme/keys/", f"/t/acme/keys/{key.pk}/", "/t/acme/first-steps/"):
        text = client.get(page).content.decode()
        assert "/rotate/" not in text
        assert "/keys/new/" not in text
        assert "Create live key" not in text
    assert client.post(f"/t/acme/keys/{key.pk}/revoke/").status_code == 302
    assert ApiKey.objects.get().revoked_at is not None


# Keys of people who leave or lose a role


@pytest.fixture
def boris(acme: Tenant) -> Membership:
    """Create an admin with two keys, one of which a developer could have created."""
    join(acme, Role.OWNER)
    boris = join(acme, Role.ADMIN)
    make_key(acme, name="Gateway", scopes=["events:write"], created_by=boris)
    make_key(acme, name="Books", scopes=["billing:read"], created_by=boris)
    make_key(acme, name="Another's", scopes=["billing:read"])
    return Membership.objects.get(user=boris)


def working() -> list[str]:
    return sorted(ApiKey.objects.filter(revoked_at=None).values_list("name", flat=True))


@pytest.mark.parametrize("revokes", [True, False])
def test_lowering_a_role_shows_the_members_keys_and_may_revoke_them(revokes: bool, boris: Membership) -> None:
    alice, url = signed_in(User.objects.get(email="owner@acme.example")), f"/t/acme/team/{boris.pk}/"
    page = alice.get(url).content.decode()
    assert "Books" in page
    assert "Another" not in page
    alice.post(url, {"role": "developer"} | ({"revokes_keys": "on"} if revokes else {}))
    assert working() == (["Another's", "Gateway"] if revokes else ["Another's", "Books", "Gateway"])
    entry = AuditEntry.objects.get(action="member.role_changed")
    assert [name.split(" (")[0] for name in entry.after.get("keys_left", [])] == ([] if revokes else ["Books"])


@pytest.mark.parametrize("revokes", [True, False])
def test_removing_a_member_shows_their_keys_and_may_revoke_them(revokes: bool, boris: Membership) -> None:
    alice, url = signed_in(User.objects.get(email="owner@acme.example")), f"/t/acme/team/{boris.pk}/remove/"
    page = alice.get(url).content.decode()
    assert "Books" in page
    assert "Gateway" in page
    alice.post(url, {"also": "1"} if revokes else {})
    assert working() == (["Another's"] if revokes else ["Another's", "Books", "Gateway"])
    assert not Membership.objects.filter(pk=boris.pk).exists()


def test_a_refused_removal_revokes_nothing(acme: Tenant) -> None:
    alice = join(acme, Role.OWNER)
    make_key(acme, name="Gateway", scopes=["events:write"], created_by=alice)
    own = Membership.objects.get(user=alice)
    signed_in(alice).post(f"/t/acme/team/{own.pk}/remove/", {"also": "1"})
    assert working() == ["Gateway"]
    assert Membership.objects.filter(pk=own.pk).exists()


def test_audit_entries_name_the_keys_that_stay_active(boris: Membership, now: datetime) -> None:
    system = Actor.system()
    change_role(membership=boris, role=Role.VIEWER, actor=system, as_of=now)
    remove_member(membership=boris, actor=system, as_of=now)
    for action in ("member.role_changed", "member.removed"):
        left = AuditEntry.objects.get(action=action).after["keys_left"]
        assert [name.split(" (")[0] for name in left] == ["Books", "Gateway"]
