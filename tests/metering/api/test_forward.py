"""`GET /authorize/forward`: the four responses that a gateway knows, and what is counted."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.domain.scopes import Scope
from accounts.models import Tenant, TenantStatus
from metering.models import Event
from tests.metering.api.conftest import Api, body_of, problem_of
from tests.metering.ledger_world import make_key
from tests.metering.services.limits.limit_world import put_on_plan, quota_of

PATH = "/authorize/forward"
ORIGINAL = {"X_Original_URI": "/orders/7?token=secret", "X_Original_Method": "POST"}


def counted(tenant: Tenant) -> list[Any]:
    rows = Event.objects.of_ledger(tenant.pk, is_live=True).order_by("received_at", "event_id")
    return [(row.type, row.properties) for row in rows]


def test_a_request_that_may_pass_is_204_and_counted_and_named_in_headers(alice: Api, acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), quota_of("3"))
    response = alice.get(PATH, **ORIGINAL)
    assert (response.status_code, response.content) == (204, b"")
    assert response["X-Tenant"] == "acme"
    assert response["X-Api-Key-Id"] == str(alice.key.pk)
    assert response["X-Plan"].startswith("plan-")
    assert response["RateLimit"].startswith('"quota";r=2;t=')
    assert counted(acme) == [("http_request", {"http_method": "POST", "resource_path": "/orders/7"})]


def test_without_a_plan_there_is_no_header_for_it(alice: Api) -> None:
    response = alice.get(PATH)
    assert response.status_code == 204
    assert "X-Plan" not in response


@pytest.mark.parametrize(("query", "status"), [({}, 429), ({"deny": "403"}, 403)])
def test_a_used_up_quota_is_a_429_or_for_nginx_a_403_with_its_code(
    alice: Api, acme: Tenant, query: dict[str, str], status: int
) -> None:
    put_on_plan(acme, timezone.now(), quota_of("1"))
    assert alice.get(PATH, query).status_code == 204
    refused = alice.get(PATH, query)
    assert problem_of(refused, status)["code"] == "quota_exceeded"
    assert int(refused["Retry-After"]) >= 1
    assert len(counted(acme)) == 1


def test_no_key_or_a_bad_one_is_a_401_and_a_key_without_the_scope_a_403(acme: Tenant, db: None) -> None:
    assert Client().get(f"/api/v1{PATH}").status_code == 401
    assert Client().get(f"/api/v1{PATH}", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    key, secret = make_key(acme, scopes=[Scope.USAGE_READ])
    problem_of(Api(secret, key).get(PATH), 403)


def test_a_suspended_tenant_is_a_403_since_gateways_know_no_402(alice: Api, acme: Tenant) -> None:
    Tenant.objects.filter(pk=acme.pk).update(status=TenantStatus.SUSPENDED)
    assert problem_of(alice.get(PATH), 403)["code"] == "subscription_inactive"


def test_a_service_key_names_the_tenant_or_gets_a_403(gateway: Api, acme: Tenant) -> None:
    assert problem_of(gateway.get(PATH), 403)["code"] == "tenant_missing"
    problem_of(gateway.get(PATH, X_Tenant="unknown"), 403)
    assert gateway.get(PATH, X_Tenant="acme")["X-Tenant"] == "acme"
    assert len(counted(acme)) == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"deny": "429"}, "invalid_choice"),
        ({"deny": ""}, "invalid_choice"),
        ({"type": "nothing_known"}, "unknown_event_type"),
    ],
)
def test_a_gateway_that_is_set_up_wrongly_is_told_so_by_a_422(alice: Api, query: dict[str, str], code: str) -> None:
    assert problem_of(alice.get(PATH, query), 422)["code"] == code


def test_headers_that_contradict_each_other_let_nothing_through(alice: Api, acme: Tenant) -> None:
    refused = alice.get(PATH, X_Original_URI="/cheap", X_Forwarded_Uri="/dear")
    assert problem_of(refused, 403)["code"] == "contradicting_headers"
    assert counted(acme) == []


@pytest.mark.parametrize("uri", ["/" + "a" * 5000, "/\x00", "/caf\xe9", "☃", "//", "/%ff%00", "?", "x" * 15000])
def test_what_cannot_be_kept_is_left_out_and_the_request_is_counted(alice: Api, acme: Tenant, uri: str) -> None:
    response = Client().get(
        f"/api/v1{PATH}",
        headers=alice.headers() | {"X-Original-URI": uri, "X-Original-Method": "G E T", "X-Request-ID": "\x01" * 200},
    )
    assert response.status_code == 204
    [(_, properties)] = counted(acme)
    assert properties == ({"resource_path": uri} if uri in {"//", "/%ff%00"} else {})


def test_the_request_id_is_the_events_so_that_the_gateways_log_counts_it_once(alice: Api, acme: Tenant) -> None:
    assert alice.get(PATH, **ORIGINAL, X_Request_ID="request-1").status_code == 204
    record = {
        "request_id": "request-1",
        "request_time": timezone.now().isoformat(),
        "http_method": "POST",
        "resource_path": "/orders/7",
        "status": 200,
    }
    logged = alice.post("/access-logs", {"records": [record, record | {"request_id": "request-2"}]})
    assert body_of(logged)["accepted"] == 1
    assert [result["code"] for result in body_of(logged)["results"]] == ["event_conflict"]
    assert body_of(alice.get("/usage/monthly"))["meters"][1]["quantity"] == "2"


def test_a_request_id_that_a_client_repeats_lets_no_request_through_for_free(alice: Api, acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), quota_of("2"))
    asked = [{"X_Original_URI": "/a"}, {"X_Original_URI": "/a"}, {"X_Original_URI": "/b"}]
    assert [alice.get(PATH, X_Request_ID="same", **headers).status_code for headers in asked] == [204, 204, 429]
    assert len(counted(acme)) == 2


def test_only_our_own_proxies_tell_the_address(acme: Tenant, settings: Settings) -> None:
    key, secret = make_key(acme, scopes=[Scope.EVENTS_WRITE], allowed_cidrs=["203.0.113.0/24"])
    inside = Api(secret, key)
    problem_of(inside.get(PATH, X_Forwarded_For="203.0.113.9"), 403)
    settings.TRUSTED_PROXY_COUNT = 1
    assert inside.get(PATH, X_Forwarded_For="198.51.100.1, 203.0.113.9").status_code == 204
    problem_of(inside.get(PATH, X_Forwarded_For="203.0.113.9, 198.51.100.1"), 403)
