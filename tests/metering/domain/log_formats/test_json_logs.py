"""Lines of JSON: by which places fields are read, and what is no record."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.access_log import AccessRecord, BadLine
from metering.domain.log_formats.json_logs import API_GATEWAY, NGINX, json_reader, value_at
from metering.domain.log_formats.reading import Context
from tests.metering.log_lines.shapes import NGINX_JSON, REST

read = json_reader(API_GATEWAY, "API Gateway")


def test_a_place_is_a_member_or_names_joined_by_points() -> None:
    members = {"req": {"id": 7, "no": "-"}, "a.b": 1, "text": "x"}
    assert value_at(members, ("req.id",)) == 7
    assert value_at(members, ("a.b",)) == 1
    assert value_at(members, ("req.no", "none", "text.id", "text")) == "x"
    assert value_at(members, ("none",)) is None


def test_a_part_of_the_request_line_yields_to_a_member_of_its_own() -> None:
    found = json_reader(NGINX, "nginx")(json.dumps(NGINX_JSON | {"request_method": "PUT"}), Context())
    assert isinstance(found, AccessRecord)
    assert (found.http_method, found.resource_path, found.protocol) == ("PUT", "/orders", "HTTP/1.1")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "Not a line of API Gateway."),
        ("[]", "Not a line of API Gateway."),
        ("{", "The line is not JSON."),
        ("{}", "Not a line of API Gateway."),
        ('{"status": 200}', "Not a line of API Gateway."),
        ('{"requestTime": 1431857103000}', "No status."),
        ('{"requestTime": 1431857103000, "status": true}', "A status is a number from 100 to 599."),
        ('{"requestTime": true, "status": 200}', "Not a time."),
        (
            '{"requestTime": 1431857103000, "status": 200, "responseLength": 1e3}',
            "A length is a whole number of bytes.",
        ),
        ('{"requestTime": 1431857103000, "status": 200, "ip": {}}', "ip is a string."),
        ('{"requestTime": 1431857103000, "status": ' + "9" * 5000 + "}", "A number is too long."),
        ('{"a":' * 30_000, "The line is nested too deeply."),
    ],
)
def test_a_line_that_is_no_record_has_a_reason(line: str, reason: str) -> None:
    found = read(line, Context())
    assert isinstance(found, BadLine)
    assert found.reason == reason


@given(line=st.text(max_size=200), value=st.integers() | st.text() | st.none() | st.lists(st.none()) | st.floats())
def test_any_text_is_a_record_or_a_bad_line(line: str, value: object) -> None:
    assert isinstance(read(line.encode("utf-8", "backslashreplace").decode(), Context()), (AccessRecord, BadLine))
    for name in REST:
        assert isinstance(read(json.dumps(REST | {name: value}), Context()), (AccessRecord, BadLine))
