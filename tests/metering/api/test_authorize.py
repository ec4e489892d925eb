"""`POST /authorize`: the contract's responses, codes and headers, and that hostile input is refused."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.models import Tenant, TenantStatus
from metering.models import Event
from metering.selectors.limits import forget_limits
from tests.metering.api.conftest import Api, body_of, problem_of
from tests.metering.ledger_world import make_key
from tests.metering.services.limits.limit_world import put_on_plan, quota_of

POLICY = re.compile(r'"throttle";q=100;w=2, "quota";q=3;w=\d+')
STANDING = re.compile(r'"throttle";r=99;t=1, "quota";r=2;t=\d+')


@pytest.fixture
def on_plan(acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), quota_of("3"), throttle=(50, 100))


def stored(tenant: Tenant, *, is_live: bool = True) -> list[str]:
    return list(
        Event.objects.of_ledger(tenant.pk, is_live=is_live).order_by("event_id").values_list("event_id", flat=True)
    )


def test_an_authorized_request_is_counted_and_gets_its_limits_in_headers(
    alice: Api, acme: Tenant, on_plan: None
) -> None:
    response = alice.post("/authorize", {"type": "http_request", "id": "one", "properties": {"status": 200}})
    assert response.status_code == 200, response.content
    body = body_of(response)
    assert body["allowed"] is True
    assert body["event_id"] == "one"
    assert [(limit["name"], limit["limit"], limit["remaining"]) for limit in body["limits"]] == [
        ("throttle", "100", "99"),
        ("quota", "3", "2"),
    ]
    assert all(limit["resets_at"].endswith("Z") for limit in body["limits"])
    assert POLICY.fullmatch(response["RateLimit-Policy"])
    assert STANDING.fullmatch(response["RateLimit"])
    assert stored(acme) == ["one"]


def test_without_an_event_id_one_is_generated(alice: Api, acme: Tenant) -> None:
    ids = [body_of(alice.post("/authorize", {"type": "http_request"}))["event_id"] for _ in range(2)]
    assert stored(acme) == sorted(ids)


def test_without_limits_there_are_no_rate_limit_headers(alice: Api) -> None:
    response = alice.post("/authorize", {"type": "http_request"})
    assert body_of(response)["limits"] == []
    assert "RateLimit" not in response
    assert "RateLimit-Policy" not in response


def test_a_used_up_quota_is_a_429_with_the_seconds_to_wait(alice: Api, acme: Tenant, on_plan: None) -> None:
    for _ in range(3):
        assert alice.post("/authorize", {"type": "http_request"}).status_code == 200
    response = alice.post("/authorize", {"type": "http_request"})
    assert problem_of(response, 429)["code"] == "quota_exceeded"
    seconds = int(response["Retry-After"])
    assert 1 <= seconds <= 31 * 24 * 3600
    assert f'"quota";r=0;t={seconds}' in response["RateLimit"]
    assert len(stored(acme)) == 3


def test_more_at_once_than_the_throttle_allows_is_a_429(alice: Api, acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), throttle=(1, 2))
    statuses = [alice.post("/authorize", {"type": "http_request"}).status_code for _ in range(2)]
    assert statuses == [200, 200]
    response = alice.post("/authorize", {"type": "http_request"})
    assert problem_of(response, 429)["code"] == "throttled"
    assert response["Retry-After"] == "1"
    assert response["RateLimit"].startswith('"throttle";r=0;t=')


def test_a_retry_with_the_same_id_is_allowed_after_the_quota_ran_out(alice: Api, acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), quota_of("1"))
    body = {"type": "http_request", "id": "mine"}
    assert alice.post("/authorize", body).status_code == 200
    assert problem_of(alice.post("/authorize", {"type": "http_request"}), 429)["code"] == "quota_exceeded"
    retry = alice.post("/authorize", body)
    assert retry.status_code == 200
    assert body_of(retry)["event_id"] == "mine"
    assert stored(acme) == ["mine"]


def test_other_content_under_the_same_id_is_a_conflict(alice: Api, acme: Tenant) -> None:
    alice.post("/authorize", {"type": "http_request", "id": "mine"})
    response = alice.post("/authorize", {"type": "http_request", "id": "mine", "quantity": 2})
    assert problem_of(response, 409)["code"] == "event_conflict"
    assert stored(acme) == ["mine"]


def test_a_reported_event_and_an_authorized_one_with_the_same_id_are_one(alice: Api, acme: Tenant) -> None:
    assert alice.post("/events", {"type": "http_request", "id": "mine"}).status_code == 201
    assert alice.post("/authorize", {"type": "http_request", "id": "mine"}).status_code == 200
    assert stored(acme) == ["mine"]


def test_a_check_alone_records_nothing(alice: Api, acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), quota_of("1"))
    for _ in range(2):
        body = body_of(alice.post("/authorize", {"type": "http_request", "record": False}))
        assert (body["allowed"], body["event_id"], body["limits"][0]["remaining"]) == (True, None, "1")
    assert stored(acme) == []
    alice.post("/authorize", {"type": "http_request"})
    assert (
        problem_of(alice.post("/authorize", {"type": "http_request", "record": False}), 429)["code"] == "quota_exceeded"
    )


def test_a_suspended_tenant_is_refused_whoever_calls(alice: Api, gateway: Api, acme: Tenant) -> None:
    Tenant.objects.filter(pk=acme.pk).update(status=TenantStatus.SUSPENDED)
    body = {"type": "http_request"}
    assert problem_of(alice.post("/authorize", body), 402)["code"] == "subscription_inactive"
    assert problem_of(gateway.post("/authorize", body | {"tenant": "acme"}), 402)["code"] == "subscription_inactive"
    assert stored(acme) == []


def test_a_service_key_names_the_tenant_whose_limits_hold(
    gateway: Api, alice: Api, acme: Tenant, globex: Tenant
) -> None:
    put_on_plan(acme, timezone.now(), quota_of("1"))
    assert gateway.post("/authorize", {"type": "http_request", "tenant": "acme"}).status_code == 200
    assert problem_of(alice.post("/authorize", {"type": "http_request"}), 429)["code"] == "quota_exceeded"
    assert gateway.post("/authorize", {"type": "http_request"}, X_Tenant="globex").status_code == 200
    assert (len(stored(acme)), len(stored(globex))) == (1, 1)
    assert problem_of(gateway.post("/authorize", {"type": "http_request"}), 422)["code"] == "tenant_missing"
    assert (
        problem_of(gateway.post("/authorize", {"type": "http_request", "tenant": "unknown"}), 404)["code"]
        == "not_found"
    )


def test_a_tenants_key_cannot_name_another_tenant(charlie: Api, acme: Tenant, globex: Tenant) -> None:
    response = charlie.post("/authorize", {"type": "http_request", "tenant": "acme"})
    assert problem_of(response, 422)["code"] == "tenant_not_allowed"
    assert stored(acme) == stored(globex) == []


def test_a_key_without_the_scope_may_not_authorize(acme: Tenant) -> None:
    key, secret = make_key(acme, scopes=[Scope.USAGE_READ])
    response = Api(secret, key).post("/authorize", {"type": "http_request"})
    assert problem_of(response, 403)["code"] == "scope_missing"


def test_a_test_key_counts_in_the_test_ledger_alone(acme: Tenant, alice: Api) -> None:
    put_on_plan(acme, timezone.now(), quota_of("1"))
    key, secret = make_key(acme, kind=KeyKind.TEST, scopes=[Scope.EVENTS_WRITE])
    assert Api(secret, key).post("/authorize", {"type": "http_request"}).status_code == 200
    assert alice.post("/authorize", {"type": "http_request"}).status_code == 200
    assert (len(stored(acme)), len(stored(acme, is_live=False))) == (1, 1)


def test_a_keys_own_limits_hold_beside_the_plans(acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), quota_of("9"))
    key, secret = make_key(acme, scopes=[Scope.EVENTS_WRITE], quota=Decimal(1), throttle_rate=1, throttle_burst=5)
    api = Api(secret, key)
    limits = {
        limit["name"]: limit["remaining"]
        for limit in body_of(api.post("/authorize", {"type": "http_request"}))["limits"]
    }
    assert limits == {"key-throttle": "4", "quota": "8", "key-quota": "0"}
    assert problem_of(api.post("/authorize", {"type": "http_request"}), 429)["code"] == "quota_exceeded"


def test_an_idempotency_key_replays_the_authorization(alice: Api, acme: Tenant) -> None:
    first, second = (alice.post("/authorize", {"type": "http_request"}, Idempotency_Key="k") for _ in range(2))
    assert body_of(first) == body_of(second)
    assert second["Idempotency-Replayed"] == "true"
    assert len(stored(acme)) == 1


def test_a_changed_plan_applies_within_a_second(alice: Api, acme: Tenant) -> None:
    assert alice.post("/authorize", {"type": "http_request"}).status_code == 200
    put_on_plan(acme, timezone.now() - timedelta(days=1), quota_of("1"))
    forget_limits()
    assert problem_of(alice.post("/authorize", {"type": "http_request"}), 429)["code"] == "quota_exceeded"


def test_a_redis_that_is_down_refuses_requests_and_still_takes_reports(
    alice: Api, acme: Tenant, on_plan: None, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = alice.post("/authorize", {"type": "http_request", "id": "asked"})
    assert problem_of(response, 503)["code"] == "store_unavailable"
    assert response["Retry-After"] == "1"
    assert alice.post("/events", {"type": "http_request", "id": "reported"}).status_code == 201
    assert stored(acme) == ["reported"]


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({}, 400, "required", "/type"),
        ({"type": "nothing_known"}, 422, "unknown_event_type", "/type"),
        ({"type": 7}, 400, "invalid_type", "/type"),
        ({"type": "http_request", "tenant": 7}, 400, "invalid_type", "/tenant"),
        ({"type": "http_request", "id": ""}, 422, "invalid_id", "/id"),
        ({"type": "http_request", "id": None}, 422, "invalid_id", "/id"),
        ({"type": "http_request", "quantity": "-1"}, 422, "invalid_quantity", "/quantity"),
        ({"type": "http_request", "quantity": "1e999"}, 422, "invalid_quantity", "/quantity"),
        ({"type": "http_request", "record": "no"}, 400, "invalid_type", "/record"),
        ({"type": "http_request", "record": None}, 400, "invalid_type", "/record"),
        ({"type": "http_request", "timestamp": "2026-01-01T00:00:00Z"}, 400, "unknown_field", "/timestamp"),
        ({"type": "http_request", "a/b": 1}, 400, "unknown_field", "/a~1b"),
        ({"type": "http_request", "properties": {"deep": {}}}, 422, "invalid_properties", "/properties/deep"),
        ({"type": "http_request", "subject": "\x00"}, 422, "invalid_subject", "/subject"),
    ],
)
def test_fields_are_refused_by_name(alice: Api, acme: Tenant, body: Any, status: int, code: str, pointer: str) -> None:
    problem = problem_of(alice.post("/authorize", body), status)
    assert problem["code"] == code
    assert problem["errors"][0]["pointer"] == pointer
    assert stored(acme) == []


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{", b"null", b'{"type": "\\ud800"}', b"\xff", b"[" * 60_000, b'{"type": ' + b"9" * 5000 + b"}"],
)
def test_a_body_of_another_form_is_a_400(alice: Api, raw: bytes) -> None:
    problem_of(alice.post("/authorize", raw=raw), 400)


def test_another_media_type_is_a_415(alice: Api) -> None:
    problem_of(
        alice.post("/authorize", raw=b"type=http_request", content_type="application/x-www-form-urlencoded"), 415
    )
