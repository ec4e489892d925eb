"""P15: another tenant's object is a 404, whoever requests it, at every address that the application has.

The routes come from the URL resolver, so that a new one fails here until it is classified in `routes.py`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from accounts.selectors.api_keys import forget_keys
from accounts.selectors.tenants import forget_tenant
from metering.selectors.limits import forget_limits
from tests.isolation.routes import ROOMS, Room, Route, every_route, room_of, routes_of
from tests.isolation.world import Estate, books_apart_from, make_estate
from tests.shared_world import shared_world

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NOT_FOUND, NOT_ALLOWED = 404, 405
SERVER_ERROR = 500
SHOWING_METHODS = tuple(method for method in METHODS if method != "HEAD")  # whose response is GET's without its body

# What a call needs in its body to get as far as it can.
BODIES: Mapping[str, Callable[[Estate], object]] = {
    "api/v1/keys": lambda estate: {"name": "a key", "scopes": ["usage:read"], "tenant": estate.tenant.slug},
    "api/v1/keys/<uuid:key_id>/rotate": lambda _: {"grace_seconds": 0},
    "api/v1/events": lambda estate: {"events": [{"id": estate.event_id, "type": "http_request"}]},
    "api/v1/events/<event_id:event_id>/void": lambda _: {"reason": "not mine"},
    "api/v1/authorize": lambda estate: {"type": "http_request", "id": estate.event_id},
    "api/v1/reservations": lambda estate: {"type": "http_request", "id": estate.event_id},
    "api/v1/access-logs": lambda estate: {
        "records": [{"request_id": estate.event_id, "request_time": "2026-03-10T12:00:00Z", "http_method": "GET"}]
    },
    "api/v1/alert-thresholds": lambda _: {"meter": "api_requests", "quota_period": "month", "threshold": 50},
    "api/v1/budgets": lambda _: {"scope": "tenant", "meter": "api_requests", "limit": 1, "period": "month"},
    "api/v1/budgets/<uuid:budget_id>": lambda _: {"limit": 1, "stop": True},
    "api/v1/webhook-endpoints": lambda _: {"url": "https://hooks.rival.example/mine"},
    "api/v1/webhook-endpoints/<uuid:endpoint_id>": lambda _: {"url": "https://hooks.rival.example/mine"},
    "api/v1/webhook-endpoints/<uuid:endpoint_id>/rotate-secret": lambda _: {"grace_seconds": 0},
    "api/v1/webhook-endpoints/<uuid:endpoint_id>/replay": lambda _: {"only": "all"},
    "api/v1/usage/sql": lambda _: {"query": "SELECT * FROM events"},
    "api/v1/demo/data": lambda _: {"anything": 1},
    "api/v1/subscription/preview": lambda estate: {"plan": "pro", "at": "period_end", "tenant": estate.tenant.slug},
}
FORMS: Mapping[str, dict[str, str]] = {
    "t/<slug:slug>/team/<int:membership_id>/": {"role": "viewer"},
    "t/<slug:slug>/team/invite/": {"email": "stranger@rival.example", "role": "owner"},
    "t/<slug:slug>/keys/new/": {"name": "mine now", "kind": "live", "scopes": "usage:read"},
    "t/<slug:slug>/budgets/new/": {"scope": "tenant", "measure": "api_requests", "limit": "1", "period": "day"},
    "t/<slug:slug>/budgets/<uuid:budget_id>/edit/": {"limit": "1", "thresholds": "", "does_stop": "on"},
    "t/<slug:slug>/webhooks/new/": {"url": "https://hooks.rival.example/mine"},
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/edit/": {"url": "https://hooks.rival.example/mine"},
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/rotate/": {"grace_seconds": "0"},
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/replay/": {"only": "all"},
    "t/<slug:slug>/plan/choose/": {"plan": "pro", "when": "now"},
    "t/<slug:slug>/plan/cancel/": {"when": "now", "version": "99"},
    "t/<slug:slug>/plan/undo/": {"version": "99"},
    "t/<slug:slug>/settings/close/": {"slug": "acme"},
    "t/<slug:slug>/settings/": {"name": "Taken", "time_zone": "UTC", "currency": "EUR"},
}
Query = Mapping[str, str]
NO_QUERY: Query = {}
PROGRAM = Client()  # one for all: each new one loads the middleware again


@pytest.fixture(scope="module")
def estates(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Estate]]:
    def make() -> dict[str, Estate]:
        return {slug: make_estate(slug) for slug in ("acme", "rival")}

    yield from shared_world(django_db_blocker, make)


@pytest.fixture
def acme(estates: dict[str, Estate]) -> Estate:
    return estates["acme"]


@pytest.fixture
def rival(estates: dict[str, Estate]) -> Estate:
    return estates["rival"]


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    forget_keys()
    forget_limits()
    for slug in ("acme", "rival"):
        forget_tenant(slug)


def test_every_route_is_classified_and_every_classification_has_a_route() -> None:
    routes = every_route()

    assert [route.path for route in routes if room_of(route) is None] == []
    assert set(ROOMS) <= {route.path for route in routes}


def test_control_an_unclassified_route_is_detected() -> None:
    known = every_route()[0]

    assert room_of(Route("api/v1/brand-new", known.pattern)) is None


def test_control_a_change_of_the_first_tenants_rows_is_detected_and_one_of_the_others_is_not(
    acme: Estate, rival: Estate
) -> None:
    before = books_apart_from(rival.tenant)

    call_api(route_named("api-events"), "POST", caller=rival, target=acme)
    assert books_apart_from(rival.tenant) == before

    call_api(route_named("api-event-void"), "POST", caller=acme, target=acme)
    after = books_apart_from(rival.tenant)
    assert {table for table in after if after[table] != before[table]} >= {"event_void", "usage_hour", "usage_day"}


def test_another_tenants_key_finds_none_of_the_first_tenants_objects(acme: Estate, rival: Estate) -> None:
    before = books_apart_from(rival.tenant)
    wrong = []
    for route in routes_of(Room.TENANT_OBJECT):
        for method in METHODS:
            response = call_api(route, method, caller=rival, target=acme)
            refusals = {NOT_FOUND} if method in route.methods else {NOT_FOUND, NOT_ALLOWED}
            is_refused = response.status_code in refusals or method == "OPTIONS"
            if not is_refused or response.shows(acme):
                wrong.append((method, route.path, response.status_code))

    assert wrong == []
    assert books_apart_from(rival.tenant) == before


def test_the_first_tenants_own_key_finds_all_of_its_objects(acme: Estate, rival: Estate) -> None:
    found = {}
    for route in routes_of(Room.TENANT_OBJECT):
        for method in sorted(route.methods):
            found[method, route.path] = without_a_trace(call_api, route, method, caller=acme, target=acme).status_code

    # `/void` with GET is the event whose id ends so, and there is none.
    unreal = ("GET", "api/v1/events/<event_id:event_id>/void")
    assert found.pop(unreal) == NOT_FOUND
    assert {status for status in found.values() if status >= 300} == set(), found


def test_another_tenants_key_sees_and_changes_only_its_own_if_a_path_names_no_object(
    acme: Estate, rival: Estate
) -> None:
    before = books_apart_from(rival.tenant)
    wrong = []
    for route in routes_of(Room.OWN_TENANT):
        for method in METHODS:
            for query in queries_for(acme, method):
                response = call_api(route, method, caller=rival, target=acme, query=query)
                if response.status_code >= SERVER_ERROR or response.shows(acme):
                    wrong.append((method, route.path, query, response.status_code))

    assert wrong == []
    assert books_apart_from(rival.tenant) == before


def test_a_tenants_key_cannot_call_the_operator_api(acme: Estate, rival: Estate) -> None:
    before = books_apart_from(rival.tenant)
    for route in routes_of(Room.OPERATOR):
        for method in sorted(route.methods):
            response = call_api(route, method, caller=rival, target=acme)
            assert response.status_code == 403, (method, route.path)
            assert not response.shows(acme)

    assert books_apart_from(rival.tenant) == before


def test_without_a_key_the_api_shows_nothing(acme: Estate) -> None:
    for route in routes_of(Room.OWN_TENANT, Room.TENANT_OBJECT, Room.OPERATOR):
        for method in sorted(route.methods):
            response = ask(PROGRAM, method, address(route, acme), "{}", content_type="application/json", query={})
            assert response.status_code == 401, (method, route.path, response.status_code)


@pytest.mark.takes_long("it opens every page")
def test_another_tenants_member_finds_no_page_of_the_first(acme: Estate, rival: Estate) -> None:
    before = books_apart_from(rival.tenant)
    client = rival.client()
    wrong = []
    for route in routes_of(Room.TENANT_PAGE):
        for method in METHODS:
            response = visit(client, route, method, slug=acme.tenant.slug, target=acme)
            if response.status_code not in {NOT_FOUND, NOT_ALLOWED} or response.shows(acme):
                wrong.append((method, route.path, response.status_code))
        assert NOT_FOUND in {
            visit(client, route, method, slug=acme.tenant.slug, target=acme).status_code for method in ("GET", "POST")
        }, route.path

    assert wrong == []
    assert books_apart_from(rival.tenant) == before


@pytest.mark.takes_long("it opens every page")
def test_the_first_tenants_own_member_finds_every_page(acme: Estate, rival: Estate) -> None:
    client = acme.client()
    for route in routes_of(Room.TENANT_PAGE):
        statuses = {
            without_a_trace(visit, client, route, method, slug=acme.tenant.slug, target=acme).status_code
            for method in ("GET", "POST")
        }
        assert statuses - {NOT_FOUND, NOT_ALLOWED}, f"{route.path} returns {statuses}: the attack would prove nothing"


@pytest.mark.takes_long("each route of the portal with each object of another tenant")
def test_another_tenants_member_finds_nothing_of_the_first_below_his_own_slug(acme: Estate, rival: Estate) -> None:
    before = books_apart_from(rival.tenant)
    client = rival.client()
    wrong = []
    for route in routes_of(Room.TENANT_PAGE):
        names_an_object = route.path.count("<") > 1
        for method in SHOWING_METHODS:
            for query in queries_for(acme, method):
                response = visit(client, route, method, slug=rival.tenant.slug, target=acme, query=query)
                is_hidden = response.status_code in {NOT_FOUND, NOT_ALLOWED} if names_an_object else True
                if not is_hidden or response.status_code >= SERVER_ERROR or response.shows(acme):
                    wrong.append((method, route.path, query, response.status_code))

    assert wrong == []
    assert books_apart_from(rival.tenant) == before


def test_a_visitor_who_is_not_signed_in_is_redirected_to_sign_in_on_every_route(acme: Estate) -> None:
    for route in routes_of(Room.TENANT_PAGE):
        for method in ("POST", "GET"):
            response = visit(PROGRAM, route, method, slug=acme.tenant.slug, target=acme)
            assert response.status_code in {302, NOT_ALLOWED}, (method, route.path)
            assert response.status_code == NOT_ALLOWED or response.location.startswith("/accounts/login/")


@pytest.mark.takes_long("it opens every page")
def test_no_member_opens_a_staff_page(acme: Estate, rival: Estate) -> None:
    before = books_apart_from(rival.tenant)
    client = rival.client()
    for route in routes_of(Room.STAFF):
        method = "POST" if route.path.endswith(("add/", "delete/")) or route.path.startswith("hijack/") else "GET"
        response = visit(client, route, method, slug="", target=acme)
        is_refused = response.status_code in {400, 403, NOT_FOUND, NOT_ALLOWED} or "login" in response.location
        assert is_refused or is_for_everybody(route), (method, route.path, response.status_code)
        assert not response.shows(acme), route.path
    assert int(client.session["_auth_user_id"]) == rival.owner.pk
    assert books_apart_from(rival.tenant) == before


# How the strangers send their requests


@dataclass(frozen=True)
class Answer:
    """A response, and the text that the stranger had sent, which may be repeated to them."""

    status_code: int
    location: str
    text: str
    said: str

    def shows(self, target: Estate) -> bool:
        """Return whether the response shows anything of the target's."""
        return any(mark in self.text for mark in target.marks if mark not in self.said)


def route_named(name: str) -> Route:
    return next(route for route in every_route() if route.pattern.name == name)


def ask(
    client: Client, method: str, path: str, body: str, *, content_type: str, query: Query, **headers: str
) -> Answer:
    response = client.generic(method, path, body, content_type=content_type, query_params=dict(query), headers=headers)
    text = response.getvalue().decode("utf-8", "replace") + str(dict(response.headers))
    return Answer(response.status_code, response.get("Location", ""), text, f"{path} {body} {query}")


def call_api(route: Route, method: str, *, caller: Estate, target: Estate, query: Query = NO_QUERY) -> Answer:
    body = BODIES.get(route.path, lambda _: {})(target)  # type: ignore[no-untyped-call] # a lambda has no types
    headers = {"X-Tenant": target.tenant.slug, "X-Http-Method-Override": "GET", "Idempotency-Key": str(uuid4())}
    return ask(
        PROGRAM,
        method,
        address(route, target),
        json.dumps(body) if method in {"POST", "PUT", "PATCH"} else "",
        content_type="application/json",
        query=query,
        **headers,
        Authorization=f"Bearer {caller.key.secret}",
    )


def visit(client: Client, route: Route, method: str, *, slug: str, target: Estate, query: Query = NO_QUERY) -> Answer:
    form = {"user_pk": str(target.owner.pk), "next": "/"} | FORMS.get(route.path, {})
    return ask(
        client,
        method,
        address(route, target, slug=slug),
        urlencode(form) if method not in {"GET", "HEAD"} else "",
        content_type="application/x-www-form-urlencoded",
        query=query or {"id": target.event_id},
        **({"HX-Request": "true"} if method == "GET" and query else {}),
    )


def without_a_trace(part: Callable[..., Answer], *arguments: object, **named: object) -> Answer:
    """Send the request, and undo what it did."""
    with transaction.atomic():
        response = part(*arguments, **named)
        transaction.set_rollback(True)
    forget_keys()
    return response


def queries_for(target: Estate, method: str) -> list[dict[str, str]]:
    """Return ways to name another tenant's objects beside the path.

    A call that writes is tried with all of them at once.
    """
    named = {"tenant": target.tenant.slug, "id": target.event_id, "event_id": target.event_id}
    by_key = [{"api_key": str(target.key.key.pk)}, {"api_key": target.key.key.prefix, "group_by": "api_key"}]
    queries = [named | query | {"subject": f"subject-of-{target.tenant.slug}"} for query in by_key]
    return [{}, *queries] if method == "GET" else queries[:1]


def address(route: Route, target: Estate, *, slug: str = "") -> str:
    """Return the route's address with the target's own ids in it."""
    values = {
        "<slug:slug>": slug or target.tenant.slug,
        "<uuid:key_id>": str(target.key.key.pk),
        "<event_id:event_id>": target.event_id,
        "<proven_event_id:event_id>": target.event_id,
        "<int:membership_id>": str(target.viewer.pk),
        "<int:invitation_id>": str(target.invitation.pk),
        "<str:number>": str(target.invoice.number),
        "<str:note>": target.invoice.credit_note.number,
        "<int:payment_id>": str(target.payment.pk),
        "<uuid:export_id>": str(target.export.pk),
        "<uuid:reservation_id>": str(target.reservation.pk),
        "<uuid:budget_id>": str(target.budget.pk),
        "<uuid:channel_id>": str(target.channel.pk),
        "<uuid:threshold_id>": str(target.threshold.pk),
        "<uuid:endpoint_id>": str(target.delivery.endpoint_id),
        "<uuid:delivery_id>": str(target.delivery.pk),
        "<int:alert_id>": str(target.anomaly.pk),
        "<uuid:notice_id>": str(target.notice.pk),
        "<int:verdict_id>": str(target.refusal.pk),
        "<uuid:question_id>": str(target.question.pk),
        "<int:position>": "1",
        "<slug:code>": target.invoice.subscription.plan_version.plan.code,
        "<slug:provider>": "stripe",
        "<slug:operation>": "list_events",
        "<str:address>": str(target.tenant.pk),
        "<str:token>": "a-token",
        "<int:pk>": "1",
        "<path:object_id>": str(target.tenant.pk),
        "<id>": str(target.owner.pk),
    }
    path = route.path
    for parameter, value in values.items():
        path = path.replace(parameter, value)
    path = re.sub(r"\(\?P<\w+>[^)]*\)", "nothing", path)  # an argument of an address that is a regular expression
    return "/" + path.replace("^", "").replace("$", "")


def is_for_everybody(route: Route) -> bool:
    """Return whether every visitor may open a page of the admin: sign-in, sign-out, catalogue of translations."""
    return route.path.startswith(("admin/login", "admin/logout", "admin/jsi18n", "admin/password_change"))
