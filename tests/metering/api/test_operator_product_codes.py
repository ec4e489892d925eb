"""Billing events from outside, and the product codes that the operator maps for them."""

from typing import Any

import pytest
from django.utils import timezone

from metering.domain.ledger import Ledger
from metering.models import Event
from metering.selectors.product_codes import forget_product_codes
from tests.metering.api.conftest import Api, body_of, problem_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_codes_remembered() -> None:
    forget_product_codes()


def billed(**more: Any) -> dict[str, Any]:
    now = int(timezone.now().timestamp() * 1000)
    return {"TenantID": "acme", "ProductCode": "http_request", "Quantity": 2, "Timestamp": now} | more


def rows_of(ledger: Ledger) -> list[tuple[str, str, int]]:
    events = Event.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).order_by("event_id")
    return [(event.event_id, event.type, int(event.quantity)) for event in events]


def test_the_idempotency_key_is_the_identity_for_ever(gateway: Api, acme_ledger: Ledger) -> None:
    event = billed()
    first = gateway.post("/events", event, Idempotency_Key="k-1")
    assert (first.status_code, body_of(first)) == (201, {"id": "k-1", "status": "accepted"})
    again = gateway.post("/events", event, Idempotency_Key='"k-1"')
    assert (again.status_code, body_of(again)) == (200, {"id": "k-1", "status": "duplicate"})
    other = gateway.post("/events", event | {"Quantity": 3}, Idempotency_Key="k-1")
    assert problem_of(other, 409)["code"] == "event_conflict"
    assert rows_of(acme_ledger) == [("k-1", "http_request", 2)]


def test_an_id_of_its_own_is_the_identity(gateway: Api, acme_ledger: Ledger) -> None:
    event = billed(id="bill-1")
    assert gateway.post("/events", event).status_code == 201
    assert body_of(gateway.post("/events", event))["status"] == "duplicate"
    assert problem_of(gateway.post("/events", event | {"Quantity": 3}), 409)["code"] == "event_conflict"
    assert gateway.post("/events", billed(id="bill-2"), Idempotency_Key="k").status_code == 201
    assert problem_of(gateway.post("/events", billed()), 422)["code"] == "id_missing"
    assert [id_ for id_, _, _ in rows_of(acme_ledger)] == ["bill-1", "bill-2"]


def test_a_billing_event_comes_with_a_service_key_and_alone(gateway: Api, alice: Api, acme_ledger: Ledger) -> None:
    assert problem_of(alice.post("/events", billed(id="a")), 422)["code"] == "tenant_not_allowed"
    problem_of(gateway.post("/events", billed(id="a", TenantID="nonesuch")), 404)
    problem_of(gateway.post("/events", billed(id="a", TenantID="no slug")), 404)
    assert problem_of(gateway.post("/events", billed(id="a", quantity=1)), 400)["code"] == "unknown_field"
    mixed = gateway.post("/events", {"id": "a", "type": "http_request", "Quantity": 1}, X_Tenant="acme")
    assert "alone" in problem_of(mixed, 400)["detail"]
    batch = problem_of(gateway.post("/events", {"events": [billed(id="a")]}, X_Tenant="acme"), 422)
    assert "alone" in batch["results"][0]["detail"]
    assert rows_of(acme_ledger) == []


def test_the_operator_maps_product_codes(gateway: Api, alice: Api, acme_ledger: Ledger) -> None:
    event = billed(id="sku", ProductCode="SKU-1")
    refused = problem_of(gateway.post("/events", event), 422)
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("unknown_event_type", "/ProductCode")
    mapping = {"code": "SKU-1", "event_type": "http_request"}
    problem_of(alice.post("/operator/product-codes", mapping), 403)
    created = gateway.post("/operator/product-codes", mapping, Idempotency_Key="m")
    assert created.status_code == 201
    assert gateway.post("/operator/product-codes", mapping, Idempotency_Key="m").content == created.content
    assert problem_of(gateway.post("/operator/product-codes", mapping), 409)["code"] == "code_taken"
    assert gateway.post("/events", event).status_code == 201
    assert rows_of(acme_ledger) == [("sku", "http_request", 2)]
    [row] = body_of(gateway.get("/operator/product-codes"))["data"]
    assert (row["code"], row["event_type"]) == ("SKU-1", "http_request")


def test_a_mapping_is_changed_and_deleted(gateway: Api) -> None:
    gateway.post("/operator/product-codes", {"code": "SKU-1", "event_type": "http_request"})
    path = "/operator/product-codes/SKU-1"
    assert gateway.patch(path, {"event_type": "http_request"}).status_code == 200
    problem_of(gateway.patch(path, {"event_type": "nonesuch"}), 422)
    problem_of(gateway.patch(path, {}), 400)
    problem_of(gateway.patch("/operator/product-codes/nonesuch", {"event_type": "http_request"}), 404)
    assert gateway.delete(path).status_code == 204
    problem_of(gateway.delete(path), 404)
