"""Tenants through the operator's API: by service key, or by a member of staff with a session."""

import json
from datetime import datetime

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client

from accounts.domain.scopes import Scope
from accounts.models import AuditEntry, Invitation, Tenant, User
from accounts.selectors.api_keys import forget_keys
from tests.accounts.conftest import Api, KeyMaker, body_of, make_user, problem_of

TENANTS = "/api/v1/operator/tenants"


def test_a_tenant_is_created_with_a_slug_of_its_own_and_its_owner_invited(
    service_api: Api, acme: Tenant, django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator] # pytest-django's fixture
        response = service_api.post(
            "/operator/tenants",
            {"name": "Acme", "owner_email": "olga@example.net", "time_zone": "Asia/Kolkata", "country": "in"},
        )
    made = body_of(response)
    assert (response.status_code, made["slug"], made["time_zone"], made["country"]) == (
        201,
        "acme-2",
        "Asia/Kolkata",
        "IN",
    )
    assert Invitation.objects.get(tenant__slug="acme-2").role == "owner"
    assert mail.outbox[0].to == ["olga@example.net"]
    assert body_of(service_api.get("/operator/tenants/acme-2")) == made
    assert [tenant["slug"] for tenant in body_of(service_api.get("/operator/tenants"))["data"]] == ["acme-2", "acme"]


def test_creating_a_tenant_is_idempotent(service_api: Api) -> None:
    answers = [
        service_api.post("/operator/tenants", {"name": "Acme"}, headers={"Idempotency-Key": "1"}) for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert Tenant.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"name": ""}, 422, "invalid_fields"),
        ({"slug": "Not A Slug"}, 422, "invalid_fields"),
        ({"slug": "admin"}, 422, "invalid_fields"),
        ({"slug": "acme"}, 409, "slug_taken"),
        ({"time_zone": "Mars/Olympus"}, 422, "invalid_fields"),
        ({"currency": "XXX"}, 422, "invalid_fields"),
        ({"country": "ZZ"}, 422, "invalid_fields"),
        ({"country": "BE", "tax_id": "DE123456789"}, 422, "invalid_fields"),
        ({"billing_email": "no-address"}, 422, "invalid_fields"),
        ({"backfill_days": 401}, 422, "invalid_fields"),
        ({"owner_email": "no-address"}, 422, "invalid_fields"),
        ({"status": "active"}, 400, "malformed_body"),
    ],
)
def test_a_bad_tenant_is_refused(
    service_api: Api, acme: Tenant, change: dict[str, object], status: int, code: str
) -> None:
    response = service_api.post("/operator/tenants", {"name": "New"} | change)
    assert problem_of(response, status)["code"] == code
    assert Tenant.objects.count() == 1


def test_a_tenant_is_changed_and_suspended_at_once(service_api: Api, acme: Tenant, api: Api) -> None:
    change = {
        "name": "Acme Ltd",
        "tax_id": "BE 0403.019.261",
        "country": "BE",
        "status": "suspended",
        "status_reason": "unpaid",
    }
    response = service_api.call("PATCH", "/operator/tenants/acme", change)
    assert response.status_code == 200, response.content
    shown = body_of(response)
    assert (shown["name"], shown["tax_id"], shown["status"]) == ("Acme Ltd", "BE0403019261", "suspended")
    assert problem_of(api.post("/keys", {}), 402)["code"] == "subscription_inactive"
    assert set(AuditEntry.objects.filter(tenant=acme).values_list("action", flat=True)) >= {
        "tenant.updated",
        "tenant.suspended",
    }
    entry = AuditEntry.objects.get(action="tenant.updated")
    assert entry.before == {"name": "Acme", "tax_id": "", "country": ""}
    assert entry.actor_kind == "api_key"


def test_a_change_with_one_bad_field_changes_nothing(service_api: Api, acme: Tenant) -> None:
    service_api.call("PATCH", "/operator/tenants/acme", {"status": "closed"})
    response = service_api.call("PATCH", "/operator/tenants/acme", {"name": "Other", "status": "active"})
    assert problem_of(response, 409)["code"] == "tenant_status"
    acme.refresh_from_db()
    assert (acme.name, acme.status) == ("Acme", "closed")


def test_neither_a_tenants_key_nor_a_service_key_without_the_scope_may_create_tenants(
    api: Api, make_key: KeyMaker
) -> None:
    for caller in (api, Api(make_key(None, scopes=[Scope.EVENTS_WRITE]).secret)):
        for method, path in (("GET", ""), ("POST", ""), ("GET", "/acme"), ("PATCH", "/acme")):
            assert problem_of(caller.call(method, f"/operator/tenants{path}", {}), 403)["code"] == "scope_missing"


def test_an_unknown_tenant_is_not_found(service_api: Api) -> None:
    problem_of(service_api.get("/operator/tenants/unknown"), 404)
    problem_of(service_api.call("PATCH", "/operator/tenants/unknown", {}), 404)


@pytest.fixture
def sam(db: None) -> User:
    sam = make_user("sam@countinghouse.example", is_staff=True)
    sam.user_permissions.set(Permission.objects.filter(codename__in=["view_tenant", "change_tenant"]))
    return sam


def signed_in(user: User, *, checks_csrf: bool = False) -> Client:
    client = Client(enforce_csrf_checks=checks_csrf)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_staff_may_what_their_permissions_say(sam: User, acme: Tenant) -> None:
    client = signed_in(sam)
    assert client.get(TENANTS).status_code == 200
    changed = client.patch(f"{TENANTS}/acme", json.dumps({"name": "Acme Ltd"}), "application/json")
    assert changed.status_code == 200
    assert AuditEntry.objects.get(action="tenant.updated").actor_user == sam
    problem_of(client.post(TENANTS, "{}", "application/json"), 403)  # type: ignore[arg-type] # the test client's own subclass


def test_a_staff_session_needs_the_csrf_token(sam: User, acme: Tenant) -> None:
    client = signed_in(sam, checks_csrf=True)
    problem_of(client.patch(f"{TENANTS}/acme", json.dumps({"name": "Evil"}), "application/json"), 403)  # type: ignore[arg-type] # as above
    assert Tenant.objects.get().name == "Acme"


def test_a_customers_session_is_refused_by_the_operator_api(alice: User, acme: Tenant, now: datetime) -> None:
    forget_keys()
    problem_of(signed_in(alice).get(TENANTS), 401)  # type: ignore[arg-type] # as above
    problem_of(signed_in(alice).get("/api/v1/keys"), 401)  # type: ignore[arg-type] # as above
