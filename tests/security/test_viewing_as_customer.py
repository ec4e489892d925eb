"""Staff who view as a customer see one tenant as one member does, change nothing, and leave two entries in its log.

Kim supports. Alice owns Acme and is an owner of Rival, too: viewing her at Acme must open nothing of Rival.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve, reverse
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models import AuditEntry, Membership, Tenant, User
from accounts.services.viewing import end_viewings_left
from config.middleware import takes_no_session
from config.staff import viewing
from tests.isolation.routes import Room, Route, every_route, room_of
from tests.isolation.test_every_route import FORMS, address, visit
from tests.isolation.world import BACKEND, Estate, every_book, make_estate, make_user
from tests.metering.ledger_world import LONG_AGO, make_key, make_tenant

pytestmark = pytest.mark.django_db

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
ROUTES = [route for route in every_route() if room_of(route) is not Room.STAFF]
WAY_OUT = "Stop viewing as customer"
SAYS_WHY = re.compile(b"while (?:you view|viewing) as a customer")
# What an attacker would send who wants to do more with a person's account than look at it.
ACCOUNT_FORM = {
    "email": "intruder@example.com", "action_add": "", "login": "intruder@example.com", "password": "correct horse 1",
    "oldpassword": "x", "password1": "correct horse 2", "password2": "correct horse 2", "code": "123456",
    "name": "Taken over", "time_zone": "UTC",
}  # fmt: skip


@pytest.fixture
def kim(db: None) -> User:
    kim = make_user("kim@countinghouse.example")
    User.objects.filter(pk=kim.pk).update(is_staff=True)
    kim.refresh_from_db()
    kim.groups.add(Group.objects.get(name="Support"))
    return kim


@dataclass(frozen=True)
class Stage:
    """Acme, which Alice owns and Vera views, and Rival, which Alice owns, too."""

    acme: Tenant
    alice: User
    membership: Membership
    viewer: Membership
    rival: Tenant
    beside: Membership


@pytest.fixture
def stage(db: None) -> Stage:
    acme, rival = make_tenant("acme"), make_tenant("rival")
    alice, vera = make_user("alice@acme.example"), make_user("vera@acme.example")
    return Stage(
        acme=acme,
        alice=alice,
        membership=join(acme, alice, Role.OWNER),
        viewer=join(acme, vera, Role.VIEWER),
        rival=rival,
        beside=join(rival, alice, Role.OWNER),
    )


def join(tenant: Tenant, user: User, role: Role) -> Membership:
    return Membership.objects.create(tenant=tenant, user=user, role=role, created_at=LONG_AGO)


@pytest.fixture
def estate() -> Estate:
    """Create a tenant with one object of every kind, for the tests that go through every route."""
    return make_estate("acme")


@pytest.fixture
def client_of_kim(kim: User) -> Client:
    return signed_in(kim)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def begin(client: Client, membership: Membership, reason: str = "Ticket 4711") -> HttpResponse:
    form = {"user_pk": membership.user_id, "tenant": str(membership.tenant_id), "reason": reason}
    return client.post(reverse("hijack:acquire"), form)  # type: ignore[return-value] # the test client's own subclass


@pytest.fixture
def at_acme(client_of_kim: Client, stage: Stage) -> Client:
    """Return Kim's browser, in which she views as Alice at Acme."""
    assert begin(client_of_kim, stage.membership)["Location"] == "/t/acme/"
    return client_of_kim


@pytest.fixture
def at_estate(client_of_kim: Client, estate: Estate) -> Client:
    """Return the same browser at the tenant that has one object of every kind."""
    begin(client_of_kim, estate.membership)
    return client_of_kim


def page_in_admin(tenant: Tenant) -> str:
    return reverse("admin:accounts_tenant_change", args=[tenant.pk])


def the_end(tenant: Tenant) -> AuditEntry:
    return AuditEntry.objects.get(tenant=tenant, action="tenant.viewing_ended")


# One tenant


@pytest.mark.takes_long("it sends each form of every page")
def test_while_viewing_every_other_slug_is_not_found(at_estate: Client, estate: Estate) -> None:
    rival = make_tenant("rival")
    join(rival, estate.owner, Role.OWNER)
    assert at_estate.get("/t/acme/").status_code == 200
    for route in every_route():
        if room_of(route) is Room.TENANT_PAGE and route.pattern.name not in viewing.ABOUT_THE_PERSON:
            answer = visit(at_estate, route, "GET", slug="rival", target=estate)
            assert answer.status_code == 404, route.path
            assert WAY_OUT in answer.text, "a refusal shows the way out"


def test_while_viewing_no_list_names_another_tenant(at_acme: Client, stage: Stage) -> None:
    for address_ in ("/start/", "/start/?new=1"):
        assert at_acme.get(address_)["Location"] == "/t/acme/"
    for address_ in ("/t/acme/", "/t/acme/team/", "/pricing/", "/"):
        text = at_acme.get(address_).content.decode()
        assert "/t/rival/" not in text
        assert "?new=1" not in text
    assert "/t/acme/" in at_acme.get("/t/acme/").content.decode()


def test_a_viewing_has_the_members_role_and_it_can_only_become_lower(client_of_kim: Client, stage: Stage) -> None:
    vera = stage.viewer
    begin(client_of_kim, vera)
    assert client_of_kim.get("/t/acme/settings/").status_code == 403
    Membership.objects.filter(pk=vera.pk).update(role=Role.OWNER)
    assert client_of_kim.get("/t/acme/settings/").status_code == 403
    client_of_kim.post(reverse("hijack:release"))
    begin(client_of_kim, vera)
    assert client_of_kim.get("/t/acme/settings/").status_code == 200
    Membership.objects.filter(pk=vera.pk).update(role=Role.VIEWER)
    refused = client_of_kim.get("/t/acme/settings/")
    assert refused.status_code == 403
    assert WAY_OUT in refused.content.decode()


# Nothing changes


def sent_to(route: Route) -> dict[str, str]:
    return FORMS.get(route.path, {}) if room_of(route) is Room.TENANT_PAGE else ACCOUNT_FORM


@pytest.mark.takes_long("it sends each form of every page")
def test_while_viewing_no_route_changes_anything(at_estate: Client, estate: Estate) -> None:
    before = every_book()
    wrong = []
    for route in ROUTES:
        form = "&".join(f"{name}={value}" for name, value in sent_to(route).items())
        answer = at_estate.generic("POST", address(route, estate), form, "application/x-www-form-urlencoded")
        if takes_no_session(answer.wsgi_request):  # a program's call: no session, and so no viewing, is looked at
            is_refused = answer.status_code >= 400
        else:
            is_refused = answer.status_code == 403 and SAYS_WHY.search(answer.content.lower()) is not None
        if not is_refused:
            wrong.append((route.path, answer.status_code))

    assert wrong == []
    assert every_book() == before
    assert at_estate.get("/t/acme/").status_code == 200, "the viewing goes on"


def test_while_viewing_no_method_that_could_change_something_is_open(rf: RequestFactory, estate: Estate) -> None:
    # What the test above found for POST, checked on the one function that decides.
    for route in every_route():
        for method in UNSAFE:
            request = rf.generic(method, address(route, estate))
            request.resolver_match = resolve(request.path) if room_of(route) is not Room.STAFF else None
            if request.resolver_match is not None:
                assert not viewing.is_open(request), (method, route.path)
    request = rf.post(reverse("hijack:release"))
    request.resolver_match = resolve(request.path)
    assert viewing.is_open(request)


def test_while_viewing_the_admin_and_a_second_viewing_are_closed(at_acme: Client, stage: Stage) -> None:
    for address_ in ("/admin/", page_in_admin(stage.rival)):
        refused = at_acme.get(address_)
        assert refused.status_code == 403
        assert WAY_OUT in refused.content.decode()
    assert begin(at_acme, stage.beside).status_code == 403
    assert at_acme.post(page_in_admin(stage.acme), {"name": "Mine"}).status_code == 403
    assert AuditEntry.objects.filter(action="tenant.viewed_as_customer").count() == 1


@pytest.mark.takes_long("it sends each form of every page")
def test_viewing_changes_nothing_and_shows_no_account(at_estate: Client, estate: Estate) -> None:
    before = every_book()
    for route in ROUTES:
        answer = visit(at_estate, route, "GET", slug="acme", target=estate)
        assert answer.status_code < 500 or route.path == "readyz", route.path
        if route.path.startswith("accounts/") or route.path == "t/<slug:slug>/security/":
            assert answer.status_code == 403, route.path
            assert WAY_OUT in answer.text
    assert every_book() == before
    assert "/t/acme/security/" not in at_estate.get("/t/acme/").content.decode()


@pytest.mark.takes_long("it sends each form of every page")
def test_services_refuse_staff_who_view_even_if_a_page_lets_them_in(
    at_estate: Client, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second wall, with the first one taken away.
    before = every_book()
    monkeypatch.setattr(viewing, "is_open", lambda _: True)
    for route in ROUTES:
        if route.path.startswith(("t/", "start/", "invitations/")):
            visit(at_estate, route, "POST", slug="acme", target=estate)
    assert every_book() == before


def test_control_the_member_may_send_all_of_these_forms(estate: Estate) -> None:
    # The control: the same forms, sent by Alice herself, do change something.
    before, client = every_book(), estate.client()
    for route in ROUTES:
        if route.path in {"t/<slug:slug>/keys/new/", "t/<slug:slug>/settings/"}:
            visit(client, route, "POST", slug="acme", target=estate)
    after = every_book()
    assert {table for table in after if after[table] != before[table]} >= {"accounts_apikey", "accounts_tenant"}


def test_a_staff_session_that_views_is_refused_by_the_api(at_acme: Client, stage: Stage) -> None:
    assert at_acme.get("/api/v1/operator/tenants").status_code == 403
    assert at_acme.get("/api/v1/operator/tenants", headers={"Authorization": "Basic YTpi"}).status_code == 403
    _, secret = make_key(stage.acme, scopes=["keys:manage"])
    assert at_acme.get("/api/v1/keys", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


# Begin and end


@pytest.mark.parametrize(
    ("user_pk", "tenant"),
    [("abc", ""), ("9" * 30, ""), ("9" * 5000, ""), ("-1", ""), ("1.5", ""), ("", "abc"), ("", "\x00")],
)
def test_a_viewing_without_a_member_is_refused(user_pk: str, tenant: str, client_of_kim: Client, stage: Stage) -> None:
    form = {
        "user_pk": user_pk or str(stage.alice.pk),
        "tenant": tenant or str(stage.acme.pk),
        "reason": "Ticket 4711",
    }
    assert client_of_kim.post("/hijack/acquire/", form).status_code == 400
    assert client_of_kim.post("/hijack/acquire/", {}).status_code == 400


def test_begin_and_end_of_a_viewing_are_in_the_log_of_the_tenant(
    client_of_kim: Client, kim: User, stage: Stage
) -> None:
    began_at = timezone.now()
    with time_machine.travel(began_at, tick=False):
        begin(client_of_kim, stage.membership)
    with time_machine.travel(began_at + timedelta(minutes=12, seconds=34), tick=False):
        left = client_of_kim.post(reverse("hijack:release"))

    assert left["Location"] == page_in_admin(stage.acme)
    assert client_of_kim.get(page_in_admin(stage.acme)).status_code == 200
    assert client_of_kim.get("/t/acme/").status_code == 404
    began, ended = AuditEntry.objects.get(action="tenant.viewed_as_customer"), the_end(stage.acme)
    assert (began.tenant, began.actor_user, began.target_label) == (stage.acme, kim, stage.alice.email)
    assert (ended.tenant, ended.actor_user, ended.target_label) == (stage.acme, kim, stage.alice.email)
    assert (began.after["reason"], began.after["role"]) == ("Ticket 4711", "owner")
    assert (ended.after["reason"], ended.after["how"], ended.after["lasted"]) == (
        "Ticket 4711", "stopped by staff", "12 min 34 s",
    )  # fmt: skip


def test_a_viewing_ends_by_itself(at_acme: Client, stage: Stage) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=settings.VIEWING_MINUTES), tick=False):
        over = at_acme.get("/t/acme/")
    assert over["Location"] == page_in_admin(stage.acme)
    assert the_end(stage.acme).after["how"] == "time ran out"
    assert at_acme.get("/t/acme/").status_code == 404


def test_a_page_fragment_after_the_end_of_a_viewing_redirects_the_whole_page(at_acme: Client, stage: Stage) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=settings.VIEWING_MINUTES), tick=False):
        over = at_acme.get("/t/acme/events/", headers={"HX-Request": "true"})
    assert over["HX-Redirect"] == page_in_admin(stage.acme)
    assert over.content == b""


def test_the_end_of_a_viewing_is_recorded_without_a_further_request(at_acme: Client, stage: Stage) -> None:
    now = timezone.now()
    assert end_viewings_left(as_of=now).summary == {"ended": 0}
    after = now + timedelta(minutes=settings.VIEWING_MINUTES + 1)
    assert end_viewings_left(as_of=after).summary == {"ended": 1}
    assert end_viewings_left(as_of=after).summary == {"ended": 0}
    began = AuditEntry.objects.get(action="tenant.viewed_as_customer")
    assert the_end(stage.acme).occurred_at == began.occurred_at + timedelta(minutes=settings.VIEWING_MINUTES)
    with time_machine.travel(after, tick=False):
        assert at_acme.get("/t/acme/")["Location"] == page_in_admin(stage.acme)
    assert the_end(stage.acme).after["lasted"] == f"{settings.VIEWING_MINUTES} min 0 s"


def test_a_viewing_ends_with_the_permission(at_acme: Client, kim: User, stage: Stage) -> None:
    kim.groups.clear()
    changed = at_acme.post("/t/acme/keys/new/", {"name": "mine"})
    assert changed["Location"] == "/"
    assert the_end(stage.acme).after["how"] == "staff member may no longer view"
    assert at_acme.get("/t/acme/").status_code == 404


def test_a_viewing_ends_with_the_staff_members_account(at_acme: Client, kim: User, stage: Stage) -> None:
    User.objects.filter(pk=kim.pk).update(is_active=False)
    assert at_acme.get("/t/acme/")["Location"] == "/"
    assert the_end(stage.acme).actor_user == kim
    assert at_acme.get("/t/acme/")["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("change", ["left", "joined staff", "was deactivated"])
def test_a_viewing_ends_with_the_membership(change: str, at_acme: Client, stage: Stage) -> None:
    alice = User.objects.filter(pk=stage.alice.pk)
    if change == "left":
        stage.membership.delete()
    else:
        alice.update(**({"is_staff": True} if change == "joined staff" else {"is_active": False}))
    assert at_acme.get("/t/acme/")["Location"] == page_in_admin(stage.acme)
    assert the_end(stage.acme).after["how"] == "member may no longer be viewed"


def test_only_staff_with_the_permission_view_and_only_as_customers(
    client_of_kim: Client, kim: User, stage: Stage
) -> None:
    assert begin(signed_in(stage.alice), stage.membership).status_code == 403
    assert begin(Client(), stage.membership)["Location"].startswith("/accounts/login/")
    assert begin(client_of_kim, stage.membership, reason="  ").status_code == 400
    colleague = make_user("pat@countinghouse.example")
    User.objects.filter(pk=colleague.pk).update(is_staff=True)
    beside = Membership.objects.create(tenant=stage.acme, user=colleague, role=Role.VIEWER, created_at=timezone.now())
    assert begin(client_of_kim, beside).status_code == 400
    kim.groups.clear()
    kim.user_permissions.add(Permission.objects.get(codename="view_tenant"))
    assert begin(client_of_kim, stage.membership).status_code == 403
    assert client_of_kim.post(reverse("hijack:release")).status_code == 403
    assert not AuditEntry.objects.filter(action="tenant.viewed_as_customer").exists()


def test_the_member_gains_no_session_by_a_viewing(at_acme: Client, kim: User, stage: Stage) -> None:
    at_acme.get("/t/acme/")
    assert not UserSession.objects.filter(user=stage.alice).exists()
    assert UserSession.objects.filter(user=kim).exists()
