"""`POST /usage/sql`: a tenant's own rows, and no way out of them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.models import Tenant
from metering.lake.services import querying
from tests.metering.lake.lake_world import NOON, request_event
from tests.metering.ledger_world import ledger_of, make_key, make_tenant, send
from tests.shared_world import shared_world

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def tenants(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Tenant]]:
    def make() -> dict[str, Tenant]:
        made = {slug: make_tenant(slug) for slug in ("acme", "rival")}
        for slug, tenant in made.items():
            own = [request_event(f"{slug}-{number}", NOON + timedelta(days=number)) for number in range(3)]
            odd = {"id": f'{slug}\n"odd",', "type": "http_request", "quantity": "0.000000001", "subject": ""}
            send(ledger_of(tenant), [*own, odd | {"properties": {"ip": "", "status": "none"}}], as_of=NOON)
            send(ledger_of(tenant, is_live=False), [request_event(f"{slug}-test", NOON)], as_of=NOON)
        return made

    yield from shared_world(django_db_blocker, make)


def client_of(tenant: Tenant | None, *scopes: Scope, kind: KeyKind = KeyKind.LIVE) -> APIClient:
    _, secret = make_key(tenant, kind=kind, scopes=list(scopes))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def acme(tenants: dict[str, Tenant]) -> APIClient:
    return client_of(tenants["acme"], Scope.USAGE_READ)


def sql(client: APIClient, query: str, **more: Any) -> Any:
    response = client.post("/api/v1/usage/sql", {"query": query, **more}, format="json")
    return response.json()


def test_events_have_the_contracts_fields_and_those_of_access_logs(acme: APIClient) -> None:
    answer = sql(acme, "SELECT * FROM events ORDER BY timestamp, id")
    names = [column["name"] for column in answer["columns"]]
    odd, first = (dict(zip(names, row, strict=True)) for row in answer["data"][:2])
    assert (first["id"], first["timestamp"], first["quantity"]) == ("acme-0", "2026-03-10T12:00:00Z", "1")
    assert first["request_id"] == "acme-0"
    assert (first["ip"], first["user"], first["http_method"]) == ("192.0.2.1", "ada", "GET")
    assert (first["status"], first["response_length"], first["voided_at"]) == (200, 512, None)
    assert (odd["id"], odd["quantity"], odd["subject"]) == ('acme\n"odd",', "0.000000001", "")
    assert (odd["ip"], odd["status"], odd["user"]) == ("", None, None)
    assert (answer["truncated"], answer["rows_read"]) == (False, {"events": 4})


def test_usage_is_that_of_the_meter(acme: APIClient) -> None:
    (row,) = sql(acme, "SELECT sum(quantity), sum(events)::BIGINT FROM usage_day WHERE meter = 'api_requests'")["data"]
    assert row == ["4", 4]
    hours = sql(acme, "SELECT hour, quantity FROM usage_hour WHERE meter = 'api_bytes' ORDER BY 1")["data"]
    assert [tuple(hour) for hour in hours] == [
        ("2026-03-10T12:00:00Z", "512"), ("2026-03-11T12:00:00Z", "512"), ("2026-03-12T12:00:00Z", "512"),
    ]  # fmt: skip


def test_a_span_reads_only_its_rows(acme: APIClient) -> None:
    span = {"start": "2026-03-11T12:00:00Z", "end": "2026-03-12T12:00:00Z"}
    answer = sql(acme, "SELECT id FROM events", **span)
    assert (answer["data"], answer["rows_read"]) == ([["acme-1"]], {"events": 1})
    assert sql(acme, "SELECT 1", start=span["end"], end=span["start"])["code"] == "invalid_span"


def test_a_test_key_sees_the_test_half(tenants: dict[str, Tenant]) -> None:
    client = client_of(tenants["acme"], Scope.USAGE_READ, Scope.BILLING_READ, kind=KeyKind.TEST)
    assert sql(client, "SELECT id FROM events")["data"] == [["acme-test"]]
    assert sql(client, "SELECT * FROM invoice_lines")["data"] == []


def test_invoice_lines_need_their_own_scope(acme: APIClient, tenants: dict[str, Tenant]) -> None:
    assert sql(acme, "SELECT * FROM Invoice_Lines")["code"] == "scope_missing"
    reader = client_of(tenants["acme"], Scope.USAGE_READ, Scope.BILLING_READ)
    assert sql(reader, "SELECT count(*) FROM invoice_lines")["data"] == [[0]]
    assert sql(client_of(tenants["acme"], Scope.EVENTS_WRITE), "SELECT 1")["code"] == "scope_missing"


def test_csv_is_safe_in_a_spreadsheet(acme: APIClient) -> None:
    body = {"query": "SELECT '=1+1' AS formula, 1.5 AS number"}
    response = acme.post("/api/v1/usage/sql", body, format="json", headers={"accept": "text/csv"})
    assert response.content == b"formula,number\r\n'=1+1,1.5\r\n"


def test_one_tenant_asks_for_the_other_in_vain(acme: APIClient) -> None:
    everything = (
        "SELECT to_json(e)::VARCHAR FROM events AS e UNION ALL SELECT table_name FROM information_schema.tables"
    )
    answer = sql(acme, everything)
    assert [row for row in answer["data"] if "acme" in row[0]]
    assert not [row for row in answer["data"] if "rival" in row[0]]
    assert [row for row in answer["data"] if not row[0].startswith("{")] == [["events"]]
    assert sql(acme, "SELECT * FROM read_text('/etc/passwd')")["code"] == "invalid_sql"
    assert sql(acme, "SELECT 1", tenant="rival")["data"] == [[1]]  # a key has one tenant: the field is not looked at


def test_a_second_question_at_once_is_told_to_wait(acme: APIClient) -> None:
    with querying._turn():
        response = acme.post("/api/v1/usage/sql", {"query": "SELECT 1"}, format="json")
    assert (response.status_code, response.json()["code"], response["Retry-After"]) == (503, "sql_busy", "2")
    assert sql(acme, "SELECT 1")["data"] == [[1]]


def test_a_service_key_names_the_tenant(tenants: dict[str, Tenant]) -> None:
    service = client_of(None, Scope.USAGE_READ, kind=KeyKind.SERVICE)
    assert sql(service, "SELECT 1")["code"] == "tenant_missing"
    assert sql(service, "SELECT count(*) FROM events", tenant="rival")["data"] == [[4]]
