"""`/budgets`, and what a client sees that a budget stops."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from rest_framework.test import APIClient

from accounts.domain.scopes import Scope
from accounts.models import AuditEntry, Tenant
from metering.models import Budget
from tests.metering.ledger_world import make_key, make_tenant

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
REQUESTS = {"scope": "tenant", "meter": "api_requests", "limit": 2, "period": "month", "stop": True}


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("acme")


def client_of(tenant: Tenant, *scopes: Scope) -> APIClient:
    _, secret = make_key(tenant, scopes=list(scopes or (Scope.KEYS_MANAGE, Scope.BILLING_READ, Scope.EVENTS_WRITE)))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def test_a_budget_is_created_read_raised_and_deleted(acme: Tenant) -> None:
    client = client_of(acme)
    created = client.post("/api/v1/budgets", REQUESTS, format="json", HTTP_IDEMPOTENCY_KEY="one")
    again = client.post("/api/v1/budgets", REQUESTS, format="json", HTTP_IDEMPOTENCY_KEY="one")

    assert (created.status_code, again.status_code) == (201, 201)
    budget = created.json()
    assert again.json() == budget
    assert budget == {
        "id": str(Budget.objects.get().pk),
        "scope": "tenant",
        "scope_id": None,
        "meter": "api_requests",
        "currency": None,
        "limit": "2",
        "period": "month",
        "thresholds": [50, 75, 90, 100],
        "stop": True,
        "is_paused": False,
        "name": "budget",
        "stopped_until": None,
        "created_at": "2026-03-10T12:00:00Z",
    }
    path = f"/api/v1/budgets/{budget['id']}"
    assert client.get("/api/v1/budgets").json()["data"] == [client.get(path).json()] == [budget]
    raised = client.patch(path, {"limit": "3.5", "thresholds": [100, 50], "stop": False}, format="json").json()
    assert (raised["limit"], raised["thresholds"], raised["stop"]) == ("3.5", [50, 100], False)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404
    assert AuditEntry.objects.filter(action__startswith="budget.").count() == 3


def test_a_request_beyond_a_budget_is_429_budget_exceeded(acme: Tenant) -> None:
    client = client_of(acme)
    client.post("/api/v1/budgets", REQUESTS, format="json")
    asked = [client.post("/api/v1/authorize", {"type": "http_request"}, format="json") for _ in range(3)]
    assert [answer.status_code for answer in asked] == [200, 200, 429]
    assert asked[0].json()["limits"] == [
        {"name": "budget", "limit": "2", "remaining": "1", "resets_at": "2026-04-01T00:00:00Z"}
    ]
    assert (asked[2].json()["code"], asked[2]["RateLimit"]) == ("budget_exceeded", '"budget";r=0;t=1857600')
    assert asked[2]["Retry-After"] == "1857600"
    held = client.post("/api/v1/reservations", {"type": "http_request", "quantity": 1}, format="json")
    forwarded = client.get("/api/v1/authorize/forward")
    assert [held.json()["code"], forwarded.json()["code"]] == ["budget_exceeded"] * 2
    reported = client.post("/api/v1/events", {"id": "late", "type": "http_request"}, format="json")
    assert reported.status_code == 201
    assert [quota["name"] for quota in reported.json()["over_quota"]] == ["budget"]


def test_a_call_that_cannot_be_is_refused(acme: Tenant) -> None:
    client = client_of(acme)
    client.post("/api/v1/budgets", REQUESTS, format="json")
    for body, status, code in (
        (REQUESTS, 409, "budget_exists"),
        (REQUESTS | {"scope": "other"}, 422, "invalid_choice"),
        (REQUESTS | {"limit": 0}, 422, "invalid_limit"),
        (REQUESTS | {"thresholds": [50, 0]}, 422, "min_value"),
        (REQUESTS | {"currency": "EUR"}, 422, "invalid_measure"),
        (REQUESTS | {"scope": "api_key", "scope_id": "ch_live_none"}, 422, "unknown_api_key"),
    ):
        answer = client.post("/api/v1/budgets", body, format="json")
        codes = {answer.json()["code"], *(error["code"] for error in answer.json().get("errors", ()))}
        assert answer.status_code == status, answer.json()
        assert code in codes, codes


def test_reading_and_changing_need_their_scopes_and_another_tenants_budget_is_not_found(acme: Tenant) -> None:
    budget = client_of(acme).post("/api/v1/budgets", REQUESTS, format="json").json()
    path = f"/api/v1/budgets/{budget['id']}"
    reader, rival = client_of(acme, Scope.BILLING_READ), client_of(make_tenant("rival"))
    assert reader.get(path).status_code == 200
    assert client_of(acme, Scope.KEYS_MANAGE).get("/api/v1/budgets").status_code == 403
    for answer in (reader.patch(path, {"limit": 9}, format="json"), reader.delete(path)):
        assert answer.json()["code"] == "scope_missing"
    for answer in (rival.get(path), rival.patch(path, {"limit": 9}, format="json"), rival.delete(path)):
        assert answer.status_code == 404
    assert rival.get("/api/v1/budgets").json()["data"] == []
