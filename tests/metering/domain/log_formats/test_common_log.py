"""Lines of the common log format as hostile clients and servers write them; the real shapes are in `log_lines`."""

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.access_log import AccessRecord, BadLine
from metering.domain.log_formats import common_log
from metering.domain.log_formats.common_log import PARTS_BEFORE_MAX, read_common_log
from metering.domain.log_formats.reading import Context
from metering.domain.log_formats.registry import decoded

WHEN = "[17/May/2015:10:05:03 +0000]"
AT = datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)


def record(line: str | bytes) -> AccessRecord:
    found = read_common_log(decoded(line) if isinstance(line, bytes) else line, Context())
    assert isinstance(found, AccessRecord), found
    return found


def test_a_request_cannot_forge_the_status_that_follows_it() -> None:
    found = record(rf'1.2.3.4 - - {WHEN} "GET /x\" 200 999999 \"y HTTP/1.1" 404 12 "-" "-"')
    assert (found.status, found.response_length) == (404, 12)


@pytest.mark.parametrize(
    "user",
    [
        "john [admin] smith",
        "[17/May/2015:10:05:04 +0000]",
        'x [17/May/2015:10:05:04 +0000] "GET / HTTP/1.1" 200 1',
        "a b",
        "",
    ],
)
def test_a_user_cannot_forge_the_time_that_follows_it(user: str) -> None:
    found = read_common_log(f'1.2.3.4 - {user} {WHEN} "GET / HTTP/1.1" 404 12', Context())
    assert isinstance(found, BadLine)


def test_bytes_that_are_no_text_are_shown_and_can_be_stored() -> None:
    found = record(b"1.2.3.4 - - " + WHEN.encode() + b' "GET /\xff\x00\xc3\xa9 HTTP/1.1" 200 1')
    assert found.resource_path == "/\\xff\\x00é"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# comment",
        "17/May/2015:10:05:03",
        f"1.2.3.4 - - {WHEN}",
        f"{WHEN} 1.2.3.4",
        f"{WHEN} " + "a " * (PARTS_BEFORE_MAX + 2),
        "a " * (PARTS_BEFORE_MAX + 2) + WHEN,
        f'1.2.3.4 - - {WHEN} "GET / HTTP/1.1" 200 1x',
        f"1.2.3.4 - - {WHEN} GET 200 1",
    ],
)
def test_a_line_without_its_parts_is_bad_and_has_a_reason(line: str) -> None:
    found = read_common_log(line, Context())
    assert isinstance(found, BadLine)
    assert found.reason


def test_a_bare_common_time_takes_its_offset_along() -> None:
    assert record('1.2.3.4 - - 17/May/2015:12:05:03 +0200 "GET / HTTP/1.1" 200 1').request_time == AT


@pytest.mark.parametrize(
    "line",
    [
        b"a - " + b"[x] " * 15_000,
        b"a - " + b' [x] "a' * 9_000,
        b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "' + b"\\" * 60_000,
        b" " * 60_000,
        b"a" * 60_000 + b" ",
        b"1," * 30_000 + b'1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1',
    ],
)
def test_no_line_costs_more_than_its_length(line: bytes) -> None:
    began = time.process_time()
    read_common_log(decoded(line), Context())
    assert time.process_time() - began < 0.5


@given(line=st.binary(max_size=300))
def test_any_bytes_are_a_record_or_a_bad_line(line: bytes) -> None:
    assert isinstance(read_common_log(decoded(line), Context()), (AccessRecord, BadLine))


@given(request=st.binary(max_size=60), rest=st.binary(max_size=30))
def test_a_well_formed_line_is_read_whatever_clients_send(request: bytes, rest: bytes) -> None:
    def escaped(text: bytes) -> bytes:
        return "".join(
            chr(byte) if 0x20 < byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}" for byte in text
        ).encode()

    found = record(b'::1 - - %s "%s" 204 17 "%s"' % (WHEN.encode(), escaped(request), escaped(rest)))
    assert (found.status, found.response_length, found.request_time) == (204, 17, AT)


@given(
    parts=st.tuples(
        st.sampled_from(("1.2.3.4", "::1", "1.2", "a", "-", "1.2.3.4,")),
        st.sampled_from(("-", "a", '"a"', "[a]", "")),
        st.sampled_from((WHEN, "[x]", "2015-05-17T10:05:03Z")),
        st.sampled_from(('"GET / HTTP/1.1"', r'"a \" b"', '"', "GET")),
        st.sampled_from(("200 1", "200 -", "20 1", "200 x", "200", '"200" "1"')),
        st.sampled_from(("", ' "-" "agent"', ' "[17/May/2015:10:05:03 +0000]"', f" {WHEN}", "x", " [] x")),
    ).map(lambda parts: f"{parts[0]} - {parts[1]} {parts[2]} {parts[3]} {parts[4]}{parts[5]}"),
)
def test_the_usual_line_is_read_by_its_expression_as_by_tokens(parts: str) -> None:
    usual = read_common_log(parts, Context())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common_log, "_PLAIN", re.compile("(?!)"))
        assert read_common_log(parts, Context()) == usual
