"""`POST /access-logs`: a gateway's records become events."""

from datetime import datetime, timedelta

import pytest

from tests.metering.api.conftest import Api, body_of, problem_of

pytestmark = pytest.mark.django_db


def record(request_id: str, now: datetime, **more: object) -> dict[str, object]:
    return {
        "request_id": request_id,
        "ip": "192.0.2.7",
        "user": "ann",
        "request_time": (now - timedelta(minutes=1)).isoformat(),
        "http_method": "GET",
        "resource_path": "/orders/7?secret=1",
        "status": "200",
        "protocol": "HTTP/1.1",
        "response_length": "512",
    } | more


def test_access_records_become_http_requests_with_their_bytes(alice: Api, now: datetime) -> None:
    response = alice.post("/access-logs", {"records": [record("r1", now), record("r2", now, response_length=8)]})
    assert (response.status_code, body_of(response)) == (
        200,
        {"accepted": 2, "duplicates": 0, "rejected": 0, "results": []},
    )
    month = {meter["meter"]: meter["quantity"] for meter in body_of(alice.get("/usage/monthly"))["meters"]}
    assert month == {"api_requests": "2", "api_bytes": "520"}
    event = body_of(alice.get("/events/r1"))
    assert (event["type"], event["properties"]["resource_path"], event["properties"]["status"]) == (
        "http_request",
        "/orders/7",
        200,
    )


def test_an_access_record_counts_once_and_is_refused_with_other_content(alice: Api, now: datetime) -> None:
    alice.post("/access-logs", {"records": [record("r1", now)]})
    body = body_of(alice.post("/access-logs", {"records": [record("r1", now), record("r1", now, status=500)]}))
    assert (body["accepted"], body["duplicates"], body["rejected"]) == (0, 1, 1)
    assert body["results"][0]["code"] == "event_conflict"


def test_an_unreadable_access_record_is_named_by_its_place(alice: Api, now: datetime) -> None:
    records = [
        record("r", now, status="OK"),
        {"ip": "192.0.2.7"},
        "text",
        record("old", now, request_time="2001-01-01T00:00:00Z"),
    ]
    problem = problem_of(alice.post("/access-logs", {"records": records}), 422)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
        ("/records/0/status", "invalid_properties"),
        ("/records/1/request_id", "required"),
        ("/records/2", "invalid_type"),
        ("/records/3/request_time", "timestamp_too_old"),
    ]


def test_a_service_key_reports_access_records_for_the_tenant_in_the_header(
    gateway: Api, alice: Api, now: datetime
) -> None:
    assert gateway.post("/access-logs", {"records": [record("r", now)]}, X_Tenant="acme").status_code == 200
    assert alice.get("/events/r").status_code == 200
    problem_of(gateway.post("/access-logs", {"records": [record("r", now)]}), 422)
