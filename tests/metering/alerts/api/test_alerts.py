"""`GET /alerts`, and the operator's calls that check thresholds and compare usage with the ledger."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine
from django.db import connection
from rest_framework.test import APIClient

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.models import AuditEntry, JobRun, Tenant
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import monitor_thresholds
from tests.metering.alerts.alert_world import NOON, customer, quota, use
from tests.metering.ledger_world import make_key

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def client_of(tenant: Tenant | None, *scopes: Scope, kind: KeyKind = KeyKind.LIVE) -> APIClient:
    _, secret = make_key(tenant, kind=kind, scopes=list(scopes))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def acme() -> Tenant:
    return customer("acme", quota(100), time_zone="Europe/Berlin")


@pytest.fixture
def operator(db: None) -> APIClient:
    return client_of(None, Scope.OPERATOR, kind=KeyKind.SERVICE)


def test_a_tenant_reads_its_alerts_the_newest_first(acme: Tenant) -> None:
    rival = customer("rival", quota(10))
    for tenant in (acme, rival):
        use(tenant, 96, at=NOON)
    monitor_thresholds(as_of=NOON)
    ids = list(ThresholdAlert.objects.filter(tenant=acme).order_by("-id").values_list("id", flat=True))

    answer = client_of(acme, Scope.BILLING_READ).get("/api/v1/alerts")

    assert answer.status_code == 200
    body = answer.json()
    assert (body["next"], body["previous"]) == (None, None)
    assert [alert["id"] for alert in body["data"]] == ids
    assert body["data"][0] == {
        "id": ids[0],
        "kind": "threshold",
        "tenant": "acme",
        "subscription": None,
        "meter": "tokens",
        "unit": "tokens",
        "currency": None,
        "budget": None,
        "api_key": None,
        "subject": None,
        "quota_period": "month",
        "period": {"start": "2026-02-28T23:00:00Z", "end": "2026-03-31T22:00:00Z"},
        "threshold": 95,
        "threshold_quantity": None,
        "limit": "100",
        "quantity": "96",
        "percent": "96",
        "pattern": None,
        "window_start": None,
        "window_end": None,
        "expected": None,
        "crosses_on": None,
        "occurred_at": "2026-03-10T12:00:00Z",
    }


def test_the_list_is_read_page_by_page(acme: Tenant) -> None:
    use(acme, 100, at=NOON)
    monitor_thresholds(as_of=NOON)
    client = client_of(acme, Scope.BILLING_READ)

    first = client.get("/api/v1/alerts?limit=2").json()
    last = client.get(first["next"]).json()

    assert [alert["threshold"] for alert in first["data"] + last["data"]] == [100, 95, 80]
    assert last["next"] is None
    assert client.get("/api/v1/alerts?cursor=nonsense").json()["code"] == "invalid_cursor"


def test_a_key_with_another_scope_reads_no_alerts(acme: Tenant) -> None:
    assert client_of(acme, Scope.USAGE_READ).get("/api/v1/alerts").status_code == 403


def test_the_operator_checks_thresholds_and_gets_the_new_alerts(acme: Tenant, operator: APIClient) -> None:
    use(acme, 80, at=NOON)

    first = operator.post("/api/v1/operator/monitor", {}, format="json").json()
    second = operator.post("/api/v1/operator/monitor", format="json").json()

    assert (first["checked_at"], first["tenants"], first["alert_count"]) == ("2026-03-10T12:00:00Z", 1, 1)
    assert Decimal(first["seconds"]) < 60
    assert [(alert["tenant"], alert["threshold"]) for alert in first["alerts"]] == [("acme", 80)]
    assert (second["tenants"], second["alerts"]) == (1, [])
    assert (
        JobRun.objects.filter(name="alerts").count() == AuditEntry.objects.filter(action="alerts.checked").count() == 2
    )


def test_a_repeated_check_gets_the_first_response_again(acme: Tenant, operator: APIClient) -> None:
    use(acme, 80, at=NOON)
    answers = [
        operator.post("/api/v1/operator/monitor", {}, format="json", HTTP_IDEMPOTENCY_KEY="once") for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert len(answers[1].json()["alerts"]) == 1


@pytest.mark.parametrize("call", ["monitor", "aggregate"])
def test_checks_of_named_tenants_refuse_an_unknown_one(call: str, acme: Tenant, operator: APIClient) -> None:
    customer("rival", quota(100))
    answer = operator.post(f"/api/v1/operator/{call}", {"tenants": ["acme"]}, format="json").json()
    assert answer["tenants" if call == "monitor" else "ledgers"] == (1 if call == "monitor" else 2)

    refused = operator.post(f"/api/v1/operator/{call}", {"tenants": ["acme", "unknown"]}, format="json")
    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {"pointer": "/tenants/1", "code": "unknown_tenant", "detail": "There is no such tenant."}
    ]


@pytest.mark.parametrize("body", [{"tenants": []}, {"tenants": "acme"}, {"tenant": "acme"}, {"tenants": [1]}])
def test_a_body_of_another_form_starts_no_check(body: dict[str, object], operator: APIClient) -> None:
    for call in ("monitor", "aggregate"):
        assert operator.post(f"/api/v1/operator/{call}", body, format="json").status_code in {400, 422}
    assert not JobRun.objects.exists()


def test_aggregating_compares_usage_with_the_ledger_and_names_the_differences(
    acme: Tenant, operator: APIClient
) -> None:
    use(acme, 80, at=NOON)
    clean = operator.post("/api/v1/operator/aggregate", {}, format="json").json()
    assert Decimal(clean.pop("seconds")) < 60
    assert clean == {
        "checked_at": "2026-03-10T12:00:00Z",
        "tenants": 1,
        "ledgers": 2,
        "hours": 1,
        "days": 1,
        "repaired_count": 0,
        "drift_count": 0,
        "drifts": [],
    }

    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_day SET quantity = quantity + 1")
    answer = operator.post("/api/v1/operator/aggregate", {"tenants": ["acme"]}, format="json").json()
    assert answer["drift_count"] == len(answer["drifts"]) == 1
    assert "81" in answer["drifts"][0]


def test_aggregating_repairs_what_differs_if_it_is_asked_to(acme: Tenant, operator: APIClient) -> None:
    use(acme, 80, at=NOON)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_day SET quantity = quantity + 1")
        cursor.execute("UPDATE usage_hour SET quantity = quantity - 1")
    for repaired in (2, 0):
        answer = operator.post("/api/v1/operator/aggregate", {"repair": True}, format="json").json()
        assert (answer["repaired_count"], answer["drift_count"], answer["drifts"]) == (repaired, 0, [])
    assert operator.post("/api/v1/operator/aggregate", {"repair": "?"}, format="json").status_code == 422


def test_a_tenants_key_may_not_run_the_operators_checks(acme: Tenant) -> None:
    for call in ("monitor", "aggregate"):
        answer = client_of(acme, Scope.BILLING_READ, Scope.USAGE_READ).post(f"/api/v1/operator/{call}")
        assert answer.status_code == 403
