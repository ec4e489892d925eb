"""Reading `POST /access-logs`: each record is an http_request event."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import MalformedBodyError
from metering.domain.access_log import AccessRecord
from metering.domain.access_record_input import decode_records, parse_raw_record, parse_record
from metering.domain.canonical import event_key
from metering.domain.events import IngestRules, ParsedEvent, Rejection

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULES = IngestRules(NOW - timedelta(days=35), NOW + timedelta(minutes=5), frozenset({"http_request"}))
RECORD = {
    "request_id": "r-1",
    "ip": "203.0.113.9",
    "user": "frank",
    "request_time": "2026-11-21T11:00:00Z",
    "http_method": "GET",
    "resource_path": "/orders?token=secret",
    "status": 200,
    "protocol": "HTTP/1.1",
    "response_length": 512,
}


def parsed(record: dict[str, Any]) -> ParsedEvent:
    verdict = parse_record(record, 0, NOW, RULES)
    assert isinstance(verdict, ParsedEvent), verdict
    return verdict


def test_an_access_record_becomes_an_event() -> None:
    event = parsed(RECORD)
    assert event.id == "r-1"
    assert event.key == event_key("", "r-1")
    assert event.type == "http_request"
    assert event.occurred_at == NOW - timedelta(hours=1)
    assert event.properties == {
        "ip": "203.0.113.9",
        "user": "frank",
        "http_method": "GET",
        "resource_path": "/orders",
        "status": 200,
        "protocol": "HTTP/1.1",
        "response_length": 512,
    }


def test_a_record_of_texts_is_the_same_event() -> None:
    texts = RECORD | {"status": "200", "response_length": "512", "request_time": "21/Nov/2026:11:00:00 +0000"}
    assert parsed(texts) == parsed(RECORD)


def test_only_the_id_of_an_access_record_is_required() -> None:
    event = parsed({"request_id": "r-1"})
    assert (event.occurred_at, event.properties) == (NOW, {"response_length": 0})


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"request_id": None}, "required", "/request_id"),
        ({"request_id": "-"}, "required", "/request_id"),
        ({"request_id": ""}, "invalid_id", "/request_id"),
        ({"request_id": "a\0"}, "invalid_id", "/request_id"),
        ({"request_id": "x" * 256}, "invalid_id", "/request_id"),
        ({"request_id": 7}, "invalid_id", "/request_id"),
        ({"request_id": []}, "invalid_id", "/request_id"),
        ({"request_time": "2026-11-21T11:00:00"}, "invalid_timestamp", "/request_time"),
        ({"request_time": 1}, "timestamp_too_old", "/request_time"),
        ({"request_time": "2026-11-22T11:00:00Z"}, "timestamp_in_future", "/request_time"),
        ({"status": "OK"}, "invalid_properties", "/status"),
        ({"response_length": -1}, "invalid_properties", "/response_length"),
        ({"ip": {}}, "invalid_properties", "/ip"),
        ({"ip": "example.com"}, "invalid_properties", "/ip"),
        ({"http_method": "GET /"}, "invalid_properties", "/http_method"),
        ({"status": 999}, "invalid_properties", "/status"),
        ({"user_agent": "x"}, "unknown_field", "/user_agent"),
    ],
)
def test_a_refused_access_record_names_its_field(change: dict[str, Any], code: str, pointer: str) -> None:
    verdict = parse_record(RECORD | change, 3, NOW, RULES)
    assert isinstance(verdict, Rejection)
    assert (verdict.index, verdict.code, verdict.pointer) == (3, code, pointer)


def test_json_that_is_no_object_is_no_access_record() -> None:
    assert parse_record([], 0, NOW, RULES) == Rejection(
        0, None, "invalid_type", "A record is a JSON object.", "", "http_request"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"records": {}}',
        b'{"records": []}',
        b'{"records": [1], "a": 1}',
        b'{"records": [' + b"1," * 5000 + b"1]}",
    ],
)
def test_a_body_of_another_form_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        decode_records(body)


def test_records_are_decoded_in_their_order() -> None:
    records = decode_records(json.dumps({"records": [RECORD, 1]}).encode())

    assert [json.loads(bytes(record)) for record in records] == [RECORD, 1]


def test_an_access_record_is_measured_before_it_is_decoded() -> None:
    texts = [b"[" + b"1," * 300 + b"1]", b'{"status": ' + b"9" * 5000 + b"}", b"1"]
    records = decode_records(b'{"records": [' + b", ".join(texts) + b"]}")
    verdicts = [parse_raw_record(record, index, NOW, RULES) for index, record in enumerate(records)]

    assert [(verdict.index, getattr(verdict, "code", "")) for verdict in verdicts] == [
        (0, "event_too_large"),
        (1, "invalid_type"),
        (2, "invalid_type"),
    ]


def test_a_raw_access_record_is_judged_like_a_decoded_one() -> None:
    assert parse_raw_record(msgspec.Raw(json.dumps(RECORD).encode()), 0, NOW, RULES) == parsed(RECORD)


@given(
    item=st.none()
    | st.dictionaries(
        st.sampled_from([*AccessRecord._fields, "other"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.decimals()
        | st.lists(st.integers())
        | st.just({"a": 1}),
    )
)
def test_any_access_record_is_read_or_refused(item: object) -> None:
    assert isinstance(parse_record(item, 0, NOW, RULES), (ParsedEvent, Rejection))
