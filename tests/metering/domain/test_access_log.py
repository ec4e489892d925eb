"""The records of access logs: values are what their fields say, and what is stored of them fits."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.access_log import (
    TEXT_BYTES_MAX,
    AccessRecord,
    InvalidRecordError,
    is_address,
    line_digest,
    line_identity,
    parts_of_request,
    record_of,
    record_to_event_properties,
)
from metering.domain.canonical import canonical_json
from metering.domain.event_input import PROPERTIES_BYTES_MAX
from metering.domain.texts import is_storable

AT = datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)


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
    found = parts_of_request(request_line)
    record = record_of({"resource_path": found[1]})
    assert (found[0], record.resource_path, found[2]) == (method, path, protocol)


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
    assert record_of({"request_time": time_given}).request_time == AT


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("ip", value) for value in ("example.com", "203.0.113.999", "203.0.113.9:80", "1" * 70_000, 7, ["::1"])),
        *(("http_method", value) for value in ("GET /", "G\tT", "x" * 33, "GÉT", True)),
        *(("status", value) for value in ("099", "600", 20, 2000, 200.5, True, "OK")),
        *(("response_length", value) for value in ("-1", "1e3", 2**63, True, "x")),
        *(("request_time", value) for value in ("yesterday", "1431857103", True)),
        *((name, {}) for name in ("request_id", "user", "protocol", "resource_path")),
    ],
)
def test_a_value_that_is_not_what_its_field_says_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidRecordError) as refused:
        record_of({"status": 200, field: value})
    assert refused.value.field == field


@pytest.mark.parametrize("nothing", [None, "", "-"])
def test_a_hyphen_is_no_value_in_any_field(nothing: object) -> None:
    assert record_of(dict.fromkeys(AccessRecord._fields, nothing)) == record_of({})


def test_addresses_are_those_of_either_protocol() -> None:
    assert [is_address(text) for text in ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "", "192.0.2", "a")] == [
        *[True] * 3,
        *[False] * 3,
    ]


def test_properties_leave_out_what_the_log_lacks() -> None:
    found = record_of({"ip": "1.2.3.4", "status": "408", "response_length": "-"})
    assert record_to_event_properties(found) == {"ip": "1.2.3.4", "status": 408, "response_length": 0}


@given(
    texts=st.fixed_dictionaries(
        {
            name: st.text(st.characters(codec="utf-8"), max_size=40).map(lambda text: text * 200)
            for name in ("user", "resource_path", "protocol")
        }
    )
)
def test_properties_fit_whatever_the_log_holds(texts: dict[str, str]) -> None:
    properties = record_to_event_properties(
        record_of({**texts, "ip": "::1", "status": "200", "response_length": 2**63 - 1})
    )
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
