"""The forms of `POST /events` from outside: CloudEvents, NDJSON, and refusals that name the right form."""

import json
from typing import Any

import pytest

from metering.domain.ledger import Ledger
from metering.models import Event, IngestVerdict
from tests.metering.api.conftest import Api, body_of, problem_of

pytestmark = pytest.mark.django_db

CLOUD_EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NDJSON = "application/x-ndjson"
HEADERS = {"ce_specversion": "1.0", "ce_source": "/gateway", "ce_type": "http_request", "ce_id": "1"}


def cloud(event_id: str = "1", **more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": event_id, "source": "/gateway", "type": "http_request"} | more


def line(event_id: str, **more: Any) -> bytes:
    return json.dumps({"id": event_id, "type": "http_request"} | more).encode()


def identities(ledger: Ledger) -> set[tuple[str, str]]:
    events = Event.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live)
    return set(events.values_list("source", "event_id"))


def test_one_cloud_event_counts_once_in_whichever_form_it_comes(alice: Api, acme_ledger: Ledger) -> None:
    event = cloud(data={"quantity": 2, "status": 200})
    first = alice.post("/events", event, content_type=CLOUD_EVENT)
    assert (first.status_code, body_of(first)) == (201, {"id": "1", "status": "accepted"})
    binary = alice.post("/events", event["data"], **HEADERS)
    assert (binary.status_code, body_of(binary)) == (200, {"id": "1", "status": "duplicate"})
    batch = body_of(alice.post("/events", [event, cloud("2"), 7], content_type=BATCH))
    assert (batch["accepted"], batch["duplicates"], batch["rejected"]) == (1, 1, 1)
    assert [(one["index"], one["code"]) for one in batch["results"]] == [(2, "invalid_type")]
    assert problem_of(alice.post("/events", {"quantity": 3}, **HEADERS), 409)["code"] == "event_conflict"
    assert identities(acme_ledger) == {("/gateway", "1"), ("/gateway", "2")}


def test_source_and_id_are_the_identity_and_rows_show_both(alice: Api, acme_ledger: Ledger) -> None:
    plain = {"id": "1", "type": "http_request"}
    assert alice.post("/events", plain).status_code == 201
    for source in ("/gateway", "/other", "1"):
        assert alice.post("/events", cloud(source=source), content_type=CLOUD_EVENT).status_code == 201
    assert identities(acme_ledger) == {("", "1"), ("/gateway", "1"), ("/other", "1"), ("1", "1")}
    rows = body_of(alice.get("/events"))["data"]
    assert {row["source"] for row in rows} == {None, "/gateway", "/other", "1"}
    assert body_of(alice.get("/events/1"))["source"] is None
    assert body_of(alice.get("/events/1", {"source": "/other"}))["source"] == "/other"
    problem_of(alice.get("/events/1", {"source": "/nowhere"}), 404)


def test_a_cloud_event_is_voided_by_its_source(alice: Api, charlie: Api) -> None:
    alice.post("/events", cloud(), content_type=CLOUD_EVENT)
    problem_of(alice.post("/events/1/void", {"reason": "twice"}), 404)
    problem_of(charlie.post("/events/1/void?source=/gateway", {"reason": "twice"}), 404)
    voided = body_of(alice.post("/events/1/void?source=/gateway", {"reason": "twice"}))
    assert (voided["source"], voided["void"]["reason"]) == ("/gateway", "twice")
    again = problem_of(alice.post("/events/1/void?source=/gateway", {"reason": "twice"}), 409)
    assert again["code"] == "already_voided"


def test_what_was_not_stored_is_shown_with_its_source(alice: Api) -> None:
    alice.post("/events", cloud(type="nonesuch"), content_type=CLOUD_EVENT)
    alice.post("/events", cloud(), content_type=CLOUD_EVENT)
    alice.post("/events", cloud(), content_type=CLOUD_EVENT)
    alice.post("/events", cloud(data={"quantity": 9}), content_type=CLOUD_EVENT)
    verdicts = IngestVerdict.objects.order_by("pk")
    assert [(one.verdict, one.source, one.event_id) for one in verdicts] == [
        ("rejected", "/gateway", "1"),
        ("duplicate", "/gateway", "1"),
        ("conflict", "/gateway", "1"),
    ]


def test_a_service_key_names_the_tenant_of_a_cloud_event(gateway: Api, acme_ledger: Ledger) -> None:
    assert gateway.post("/events", cloud(tenant="acme"), content_type=CLOUD_EVENT).status_code == 201
    assert gateway.post("/events", {}, X_Tenant="acme", **(HEADERS | {"ce_id": "2"})).status_code == 201
    assert gateway.post("/events", {}, **(HEADERS | {"ce_id": "3", "ce_tenant": "acme"})).status_code == 201
    batch = [cloud("4", tenant="acme"), cloud("5", tenant="nonesuch"), 7]
    outcome = body_of(gateway.post("/events", batch, content_type=BATCH))
    assert [(one["index"], one["code"]) for one in outcome["results"]] == [(1, "unknown_tenant"), (2, "tenant_missing")]
    assert problem_of(gateway.post("/events", cloud("6"), content_type=CLOUD_EVENT), 422)["code"] == "tenant_missing"
    assert {id_ for _, id_ in identities(acme_ledger)} == {"1", "2", "3", "4"}


def test_the_same_idempotency_key_for_another_cloud_event_is_refused(alice: Api, acme_ledger: Ledger) -> None:
    assert alice.post("/events", {}, Idempotency_Key="k", **HEADERS).status_code == 201
    assert alice.post("/events", {}, Idempotency_Key="k", **HEADERS)["Idempotency-Replayed"] == "true"
    other = alice.post("/events", {}, Idempotency_Key="k", **(HEADERS | {"ce_id": "2"}))
    assert problem_of(other, 422)["code"] == "idempotency_key_reused"
    assert len(identities(acme_ledger)) == 1


def test_faults_of_a_batch_are_named_by_their_place_in_the_array(alice: Api) -> None:
    problem = problem_of(alice.post("/events", [cloud(data=[1]), 7], content_type=BATCH), 422)
    assert problem["code"] == "all_events_rejected"
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
        ("/0/data", "invalid_data"),
        ("/1", "invalid_type"),
    ]
    assert problem_of(alice.post("/events", [], content_type=BATCH), 422)["code"] == "empty_batch"
    assert problem_of(alice.post("/events", cloud(), content_type=BATCH), 400)["code"] == "malformed_body"
    assert "cloudevents+json" in problem_of(alice.post("/events", cloud(), content_type=BATCH), 400)["detail"]


def test_lines_are_a_batch_and_a_bad_line_is_refused_by_its_index(alice: Api, acme_ledger: Ledger) -> None:
    lines = [line("a", quantity=0.1), b"", b"{", b"7", line("b"), line("a", quantity="0.10"), b'{"id": "\\ud800"}']
    body = b"\r\n".join([*lines, b'{"id": "c", "type": "http_request", "colour": 1}', b"[%s]" % (b"1," * 300), b""])
    outcome = body_of(alice.post("/events", raw=body, content_type=NDJSON))
    assert (outcome["accepted"], outcome["duplicates"], outcome["rejected"]) == (2, 1, 5)
    assert [(one["index"], one["id"], one["code"]) for one in outcome["results"]] == [
        (1, None, "invalid_json"),
        (2, None, "invalid_type"),
        (5, None, "invalid_json"),
        (6, "c", "unknown_field"),
        (7, None, "event_too_large"),
    ]
    assert {id_ for _, id_ in identities(acme_ledger)} == {"a", "b"}
    again = body_of(alice.post("/events", raw=body, content_type=NDJSON))
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, 3, 5)
    problem_of(alice.post("/events", raw=b"\n \n", content_type=NDJSON), 400)
    problem_of(alice.post("/events", raw=b"7\n" * 5001, content_type=NDJSON), 400)


def test_lines_of_a_service_key_name_their_tenants(gateway: Api, acme_ledger: Ledger) -> None:
    body = b"\n".join([line("a", tenant="acme"), line("b", tenant="nonesuch"), b"{"])
    outcome = body_of(gateway.post("/events", raw=body, content_type=NDJSON))
    assert [one["code"] for one in outcome["results"]] == ["unknown_tenant", "tenant_missing"]
    assert {id_ for _, id_ in identities(acme_ledger)} == {"a"}


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"[%s]" % line("a"), "application/json", 400, '{"events": [...]}'),
        (b"\xef\xbb\xbf" + line("a"), "application/json", 400, "byte order mark"),
        (b"\xef\xbb\xbf" + line("a"), NDJSON, 400, "byte order mark"),
        (json.dumps(cloud()).encode(), "application/json", 400, CLOUD_EVENT),
        (line("a"), "text/json", 415, "application/json"),
        (line("a"), "text/plain; charset=utf-8", 415, "application/json"),
        (line("a"), "application/jsonl", 415, NDJSON),
        (line("a"), "application/xml", 415, "application/json, "),
        (b"<a/>", "application/cloudevents+xml", 415, CLOUD_EVENT),
        (b"a=b", "application/x-www-form-urlencoded", 415, "application/json"),
        (line("a", timestamp=1_700_000_000), "application/json", 422, "1700000000000"),
        (line("a", timestamp="1700000000000"), "application/json", 422, "without quotes"),
        (line("a", timestamp=1_700_000_000.5), "application/json", 422, "epoch milliseconds"),
        (line("a", time="2026-11-21T10:00:00Z"), "application/json", 400, "timestamp"),
    ],
)
def test_a_refusal_names_the_right_form(alice: Api, body: bytes, kind: str, status: int, words: str) -> None:
    assert words in problem_of(alice.post("/events", raw=body, content_type=kind), status)["detail"]


def test_a_form_is_no_data_of_a_cloud_event(alice: Api) -> None:
    form = alice.post("/events", raw=b"a=b", content_type="application/x-www-form-urlencoded", **HEADERS)
    problem_of(form, 415)
    assert (
        problem_of(alice.post("/events", raw=b"<a/>", content_type="text/xml", **HEADERS), 422)["code"]
        == "invalid_data"
    )
    assert alice.post("/events", raw=b'{"a": 1}', content_type="text/json", **HEADERS).status_code == 201
    problem_of(alice.post("/events", raw=line("half"), ce_id="half"), 400)
