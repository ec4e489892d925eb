"""`POST /events/{id}/void` with a replacement: both or neither, and each event names the other."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from metering.domain.ledger import Ledger
from metering.models import Event, EventVoid, UsageHour
from metering.selectors.catalog import meter_rules
from metering.services.reconciliation import reconcile
from tests.metering.api.conftest import Api, body_of, problem_of

pytestmark = pytest.mark.django_db

AMEND = {"reason": "wrong size", "replacement": {"id": "b", "properties": {"response_length": 7}}}


def bytes_of(ledger: Ledger) -> int:
    [meter_id] = [rule.id for rule in meter_rules() if rule.code == "api_bytes"]
    hours = UsageHour.objects.of_ledger(ledger.tenant_id, is_live=True).filter(meter_id=meter_id)
    return int(sum(hour.quantity for hour in hours))


def send(api: Api, event_id: str = "a", **more: Any) -> None:
    event = {"id": event_id, "type": "http_request", "subject": "ann", "properties": {"response_length": 100}} | more
    assert api.post("/events", event).status_code == 201


def test_an_amended_event_is_void_and_the_new_one_names_it(alice: Api, acme_ledger: Ledger) -> None:
    send(alice)
    amended = body_of(alice.post("/events/a/void", AMEND))
    assert (amended["void"]["reason"], amended["void"]["replaced_by"], amended["amends"]) == ("wrong size", "b", None)
    new = body_of(alice.get("/events/b"))
    assert (new["amends"], new["void"], new["subject"]) == ("a", None, "ann")
    assert (new["timestamp"], new["properties"]) == (amended["timestamp"], {"response_length": 7})
    assert {row["id"]: row["amends"] for row in body_of(alice.get("/events"))["data"]} == {"a": None, "b": "a"}
    assert bytes_of(acme_ledger) == 7
    assert reconcile(ledgers=[acme_ledger]).is_clean
    assert problem_of(alice.post("/events/a/void", AMEND), 409)["code"] == "already_voided"


def test_a_new_event_can_be_amended_in_turn(alice: Api, acme_ledger: Ledger) -> None:
    send(alice)
    alice.post("/events/a/void", AMEND)
    again = {"reason": "again", "replacement": {"id": "c", "quantity": "2.5", "subject": None}}
    assert body_of(alice.post("/events/b/void", again))["void"]["replaced_by"] == "c"
    last = body_of(alice.get("/events/c"))
    assert (last["amends"], last["quantity"], last["subject"]) == ("b", "2.5", None)
    assert bytes_of(acme_ledger) == 7


@pytest.mark.parametrize("replacement", [{"id": "a"}, {"id": "known"}, {"id": "known", "quantity": 9}])
def test_a_known_id_changes_nothing(alice: Api, acme_ledger: Ledger, replacement: dict[str, Any]) -> None:
    send(alice)
    send(alice, "known")
    refused = alice.post("/events/a/void", {"reason": "x", "replacement": replacement})
    assert problem_of(refused, 409)["code"] == "event_conflict"
    assert not EventVoid.objects.of_ledger(acme_ledger.tenant_id, is_live=True).exists()
    assert bytes_of(acme_ledger) == 200


@pytest.mark.parametrize(
    ("replacement", "status", "code", "pointer"),
    [
        (7, 400, "malformed_body", "/replacement"),
        ({}, 400, "required", "/replacement/id"),
        ({"id": "b", "colour": 1}, 400, "unknown_field", "/replacement/colour"),
        ({"id": "b", "quantity": -1}, 422, "invalid_quantity", "/replacement/quantity"),
        ({"id": "b", "type": "nonesuch"}, 422, "unknown_event_type", "/replacement/type"),
        ({"id": "b", "tenant": "globex"}, 422, "tenant_not_allowed", "/replacement/tenant"),
        ({"id": "b", "timestamp": "2001-01-01T00:00:00Z"}, 422, "timestamp_too_old", "/replacement/timestamp"),
    ],
)
def test_a_wrong_replacement_is_refused_and_nothing_is_void(
    alice: Api, acme_ledger: Ledger, replacement: Any, status: int, code: str, pointer: str
) -> None:
    send(alice)
    problem = problem_of(alice.post("/events/a/void", {"reason": "x", "replacement": replacement}), status)
    assert (problem["code"], problem["errors"][0]["pointer"]) == (code, pointer)
    assert not EventVoid.objects.of_ledger(acme_ledger.tenant_id, is_live=True).exists()


def test_the_other_tenant_amends_nothing(alice: Api, charlie: Api, acme_ledger: Ledger) -> None:
    send(alice)
    problem_of(charlie.post("/events/a/void", AMEND), 404)
    assert Event.objects.of_ledger(acme_ledger.tenant_id, is_live=True).count() == 1


def test_a_cloud_event_is_replaced_by_one_of_its_source_as_old_as_it_is(alice: Api) -> None:
    at = (timezone.now() - timedelta(days=34)).isoformat()
    cloud = {"specversion": "1.0", "id": "a", "source": "/g", "type": "http_request", "time": at}
    alice.post("/events", cloud, content_type="application/cloudevents+json")
    send(alice, "b")  # a plain event, which is another than the new one
    assert alice.post("/events/a/void?source=/g", AMEND).status_code == 200
    new = body_of(alice.get("/events/b", {"source": "/g"}))
    assert (new["amends"], new["source"]) == ("a", "/g")
    assert body_of(alice.get("/events/b"))["amends"] is None
