"""Reading access logs: two text formats, JSON lines, and what real and hostile servers write."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.access_log import (
    API_GATEWAY_FIELDS,
    LINE_BYTES_MAX,
    TEXT_BYTES_MAX,
    AccessRecord,
    BadLine,
    InvalidRecordError,
    line_digest,
    line_identity,
    parse_json_line,
    parse_line,
    record_of,
    record_to_event_properties,
)
from metering.domain.canonical import canonical_json
from metering.domain.event_input import PROPERTIES_BYTES_MAX
from metering.domain.texts import is_storable

WHEN = "[17/May/2015:10:05:03 +0000]"
AT = datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)


def record(line: str | bytes) -> AccessRecord:
    found = parse_line(line.encode() if isinstance(line, str) else line)
    assert isinstance(found, AccessRecord), found
    return found


def test_a_combined_line_is_read() -> None:
    line = (
        f'83.149.9.216 - frank {WHEN} "GET /images/a.png HTTP/1.1" 200 203023 "http://example.com/" "Mozilla/5.0 '
        f'(X11)"\n'
    )
    assert record(line) == AccessRecord(
        request_id=None,
        ip="83.149.9.216",
        user="frank",
        request_time=AT,
        http_method="GET",
        resource_path="/images/a.png",
        status=200,
        protocol="HTTP/1.1",
        response_length=203023,
    )


def test_a_common_line_without_user_or_body_is_read() -> None:
    found = record(f'::1 - - {WHEN} "HEAD / HTTP/1.0" 304 -')
    assert (found.ip, found.user, found.status, found.response_length) == ("::1", None, 304, 0)


@pytest.mark.parametrize(
    ("request_line", "method", "path", "protocol"),
    [
        ("GET /a?token=secret#part HTTP/1.1", "GET", "/a", "HTTP/1.1"),
        ("GET /a#part?token=secret HTTP/1.1", "GET", "/a", "HTTP/1.1"),
        ("GET http://user:secret@example.com/a?b HTTP/1.1", "GET", "/a", "HTTP/1.1"),
        ("GET http://example.com?b HTTP/1.1", "GET", "/", "HTTP/1.1"),
        ("GET ?b HTTP/1.1", "GET", "/", "HTTP/1.1"),
        ("OPTIONS * HTTP/1.1", "OPTIONS", "*", "HTTP/1.1"),
        ("CONNECT example.com:443 HTTP/1.1", "CONNECT", "example.com:443", "HTTP/1.1"),
        ("GET /a b HTTP/1.1", "GET", "/a b", "HTTP/1.1"),
        ("GET /", "GET", "/", None),
        ("GET / HTTP/2.0", "GET", "/", "HTTP/2.0"),
        (r"GET /\"quoted\" HTTP/1.1", "GET", r"/\"quoted\"", "HTTP/1.1"),
        ("-", None, None, None),
        ("", None, None, None),
        ("GET", None, None, None),
        ("GET ", None, None, None),
        (r"\x16\x03\x01 \x02", None, None, None),
        ("hello world", None, None, None),
    ],
)
def test_a_request_line_is_taken_apart_and_its_query_dropped(
    request_line: str, method: str | None, path: str | None, protocol: str | None
) -> None:
    found = record(f'1.2.3.4 - - {WHEN} "{request_line}" 400 0 "-" "-"')
    assert (found.http_method, found.resource_path, found.protocol) == (method, path, protocol)


def test_a_request_cannot_forge_the_status_that_follows_it() -> None:
    found = record(rf'1.2.3.4 - - {WHEN} "GET /x\" 200 999999 \"y HTTP/1.1" 404 12 "-" "-"')
    assert (found.status, found.response_length) == (404, 12)


def test_a_user_may_hold_spaces_and_brackets() -> None:
    assert record(f'1.2.3.4 - john [admin] smith {WHEN} "GET / HTTP/1.1" 200 1').user == "john [admin] smith"


def test_bytes_that_are_no_text_are_shown_and_can_be_stored() -> None:
    found = record(b"1.2.3.4 - - " + WHEN.encode() + b' "GET /\xff\x00\xc3\xa9 HTTP/1.1" 200 1')
    assert found.resource_path == "/\\xff\\x00é"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"# comment",
        f'1.2.3.4 - - {WHEN} "GET / HTTP/1.1" 200'.encode(),
        f'1.2.3.4 - - {WHEN} "GET / HTTP/1.1" abc 1'.encode(),
        f'1.2.3.4 - - {WHEN} "GET / HTTP/1.1" 200 -1'.encode(),
        f'1.2.3.4 - - {WHEN} "GET / HTTP/1.1" 200 {"9" * 30}'.encode(),
        f'1.2.3.4 - - {WHEN} "GET / HTTP/1.1 200 1'.encode(),
        f'1.2.3.4 - - {WHEN} "GET / HTTP/1.1" 200 1x'.encode(),
        b'1.2.3.4 - - [32/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1',
        b'1.2.3.4 - - [17/May/2015:10:05:03] "GET / HTTP/1.1" 200 1',
        b"x" * (LINE_BYTES_MAX + 1),
    ],
)
def test_a_line_without_status_or_time_is_bad_and_has_a_reason(line: bytes) -> None:
    found = parse_line(line)
    assert isinstance(found, BadLine)
    assert found.reason


@pytest.mark.parametrize(
    "line",
    [
        b"a - " + b"[x] " * 15_000,
        b"a - " + b' [x] "a' * 9_000,
        b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "' + b"\\" * 60_000,
        b" " * 60_000,
        b"a" * 60_000 + b" ",
    ],
)
def test_no_line_costs_more_than_its_length(line: bytes) -> None:
    began = time.process_time()
    parse_line(line)
    assert time.process_time() - began < 0.5


def test_a_json_line_of_api_gateway_is_read() -> None:
    line = {
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "ip": "203.0.113.9",
        "caller": "-",
        "user": "-",
        "requestTime": "17/May/2015:10:05:03 +0000",
        "httpMethod": "POST",
        "resourcePath": "/orders/{id}",
        "status": "201",
        "protocol": "HTTP/1.1",
        "responseLength": "512",
    }
    assert parse_json_line(json.dumps(line).encode()) == AccessRecord(
        request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        ip="203.0.113.9",
        user=None,
        request_time=AT,
        http_method="POST",
        resource_path="/orders/{id}",
        status=201,
        protocol="HTTP/1.1",
        response_length=512,
    )


@pytest.mark.parametrize(
    "time_given",
    [
        1431857103000,
        "1431857103000",
        "2015-05-17T10:05:03Z",
        "[17/May/2015:10:05:03 +0000]",
        "2015-05-17T12:05:03+02:00",
    ],
)
def test_the_time_of_a_record_is_read_in_any_usual_form(time_given: object) -> None:
    found = parse_json_line(json.dumps({"requestTime": time_given, "status": 200}).encode())
    assert isinstance(found, AccessRecord)
    assert found.request_time == AT


def test_fields_are_read_from_where_the_mapping_says() -> None:
    places = {
        **API_GATEWAY_FIELDS,
        "request_id": "req.id",
        "status": "res.code",
        "request_time": "a.b",
        "ip": "no.such.place",
    }
    line = {"req": {"id": 7}, "res": {"code": 404}, "a.b": 1431857103000, "no": "text", "responseLength": None}
    found = parse_json_line(json.dumps(line).encode(), places)
    assert isinstance(found, AccessRecord)
    assert (found.request_id, found.status, found.request_time, found.ip) == ("7", 404, AT, None)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b'{"status": 200}',
        b'{"requestTime": 1431857103000}',
        b'{"requestTime": 1431857103000, "status": true}',
        b'{"requestTime": 1431857103000, "status": 2000}',
        b'{"requestTime": 1431857103000, "status": 200.5}',
        b'{"requestTime": "yesterday", "status": 200}',
        b'{"requestTime": true, "status": 200}',
        b'{"requestTime": 1431857103000, "status": 200, "responseLength": -1}',
        b'{"requestTime": 1431857103000, "status": 200, "responseLength": 1e3}',
        b'{"requestTime": 1431857103000, "status": 200, "responseLength": 9223372036854775808}',
        b'{"requestTime": 1431857103000, "status": 200, "ip": {}}',
        b'{"requestTime": 1431857103000, "status": ' + b"9" * 4299 + b"}",
        b'{"requestTime": 1431857103000, "status": 200, "requestId": "' + b"x" * LINE_BYTES_MAX + b'"}',
        b"[" * 60_000,
    ],
)
def test_a_json_line_that_is_no_record_is_bad_and_has_a_reason(line: bytes) -> None:
    found = parse_json_line(line)
    assert isinstance(found, BadLine)
    assert found.reason


def test_properties_leave_out_what_the_log_lacks() -> None:
    found = record(f'1.2.3.4 - - {WHEN} "-" 408 -')
    assert record_to_event_properties(found) == {"ip": "1.2.3.4", "status": 408, "response_length": 0}


@given(
    texts=st.fixed_dictionaries(
        {
            name: st.text(st.characters(codec="utf-8"), max_size=40).map(lambda text: text * 200)
            for name in ("ip", "user", "http_method", "resource_path", "protocol")
        }
    )
)
def test_properties_fit_whatever_the_log_holds(texts: dict[str, str]) -> None:
    properties = record_to_event_properties(record_of({**texts, "status": "200", "response_length": 2**63 - 1}))
    assert len(canonical_json(properties)) <= PROPERTIES_BYTES_MAX
    for name, bytes_max in TEXT_BYTES_MAX.items():
        value = properties.get(name, "")
        assert isinstance(value, str)
        assert is_storable(value)
        assert len(msgspec.json.encode(value)) - 2 <= bytes_max
    assert record_to_event_properties(record_of(properties)) == properties


def test_a_long_path_is_cut_and_nothing_else_is() -> None:
    properties = record_to_event_properties(record_of({"resource_path": "/" + "a" * 3000, "ip": "1.2.3.4"}))
    assert properties["resource_path"] == "/" + "a" * 2047
    assert properties["ip"] == "1.2.3.4"


def test_the_format_of_a_line_is_detected_from_its_content_and_not_its_ending() -> None:
    assert line_identity(b"a\n", 1) == line_identity(b"a\r\n", 1) == line_identity(b"a", 1)
    assert line_identity(b"a", 1) != line_identity(b"a ", 1)
    assert line_identity(b"a", 1) != line_identity(b"a", 2)
    assert len(line_digest(b"a")) == 16


@given(line=st.binary(max_size=300))
def test_any_bytes_are_a_record_or_a_bad_line(line: bytes) -> None:
    assert isinstance(parse_line(line), (AccessRecord, BadLine))
    assert isinstance(parse_json_line(line), (AccessRecord, BadLine))


@given(
    ip=st.binary(min_size=1, max_size=20),
    user=st.binary(max_size=20),
    request=st.binary(max_size=60),
    rest=st.binary(max_size=30),
)
def test_a_well_formed_line_is_read_whatever_clients_send(ip: bytes, user: bytes, request: bytes, rest: bytes) -> None:
    def escaped(text: bytes) -> bytes:
        return "".join(
            chr(byte) if 0x20 < byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}" for byte in text
        ).encode()

    line = b'%s - %s %s "%s" 204 17 "%s"' % (
        escaped(ip),
        escaped(user) or b"-",
        WHEN.encode(),
        escaped(request),
        escaped(rest),
    )
    found = parse_line(line)
    assert isinstance(found, AccessRecord)
    assert (found.status, found.response_length, found.request_time) == (204, 17, AT)


@given(
    members=st.dictionaries(
        st.sampled_from(AccessRecord._fields),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.decimals()
        | st.lists(st.integers())
        | st.just({"a": 1}),
    )
)
def test_any_values_are_a_record_or_refused(members: dict[str, Any]) -> None:
    try:
        found: AccessRecord | str = record_of(members)
    except InvalidRecordError as error:
        found = error.field
    if isinstance(found, str):
        assert found in AccessRecord._fields
    else:
        assert record_to_event_properties(found)["response_length"] == found.response_length
