"""Load balancers' lines as hostile clients cause them; the real shapes are in `log_lines`."""

import time
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.access_log import AccessRecord, BadLine
from metering.domain.log_formats.proxies import read_alb, read_envoy, read_haproxy
from metering.domain.log_formats.reading import Context
from tests.metering.log_lines.shapes import HAPROXY

READERS = (read_alb, read_haproxy, read_envoy)


def test_a_request_without_a_response_has_no_status() -> None:
    unanswered = HAPROXY.replace(" 200 512 ", " -1 0 ")
    assert read_haproxy(unanswered, Context(UTC)) == BadLine("No status.")


def test_a_request_that_was_cut_is_read_as_far_as_it_goes() -> None:
    found = read_haproxy(HAPROXY.removesuffix(' HTTP/1.1"'), Context(UTC))
    assert isinstance(found, AccessRecord)
    assert (found.resource_path, found.protocol) == ("/orders", None)


def test_a_client_in_brackets_keeps_its_address() -> None:
    found = read_haproxy(HAPROXY.replace("203.0.113.9", "[2001:db8::7]"), Context(UTC))
    assert isinstance(found, AccessRecord)
    assert found.ip == "2001:db8::7"


@pytest.mark.parametrize(
    "line", ["1:1 [" * 9000, "- " * 30_000, '[2015-05-17T10:05:03Z] "' + '" ' * 20_000, "a" * 60_000]
)
def test_no_line_costs_more_than_its_length(line: str) -> None:
    began = time.process_time()
    for read in READERS:
        assert isinstance(read(line, Context()), BadLine)
    assert time.process_time() - began < 0.5


@given(line=st.text(max_size=200))
def test_any_text_is_a_record_or_a_bad_line(line: str) -> None:
    for read in READERS:
        assert isinstance(read(line, Context()), (AccessRecord, BadLine))
