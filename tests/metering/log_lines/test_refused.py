"""A line of which one field is not what it claims is refused with its number and the reason, and no other line is."""

import json
from datetime import UTC, datetime, tzinfo
from io import BytesIO
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from metering.domain.ledger import Ledger
from metering.services.access_log_import import preview_access_log
from metering.services.log_requests import AccessLog
from tests.metering.log_lines import shapes
from tests.metering.log_lines.shapes import COMBINED, COMMON, HAPROXY, TIME

NOW: Final = datetime(2026, 11, 30, tzinfo=UTC)
ADDRESS, USER = "The client is not an IP address.", "The user is not one word."
STATUS, LENGTH = "A status is a number from 100 to 599.", "A length is a whole number of bytes."
NO_STATUS, METHOD, NOT_A_TIME = "No status.", "The method is not one word.", "Not a time."
OTHER = "Not in the common or combined log format."
COLUMNS = "Not as many columns as #Fields: names."
CRI: Final = f"2015-05-17T10:05:04.669794202Z stdout F {COMMON}"
DOCKER: Final = json.dumps({"log": COMMON + "\n", "stream": "stdout", "time": "2015-05-17T10:05:04Z"})
# The reason, a good line, and what is changed in it.
REFUSED: Final = (
    (ADDRESS, COMMON, "203.0.113.9", "example.com"),
    (ADDRESS, COMMON, "203.0.113.9", "203.0.113.999"),
    (ADDRESS, COMBINED, "203.0.113.9", "unknown, secret"),
    (USER, COMMON, "- - [", '- "john smith" ['),
    ("Not client, ident and user before the time.", COMMON, "- - [", "- john adam smith ["),
    ("Neither a host nor an address before the client.", COMMON, "203.0.113.9 -", "ex/am 203.0.113.9 -"),
    (STATUS, COMMON, " 200 ", " 2000 "),
    (STATUS, COMMON, " 200 ", " 099 "),
    (STATUS, COMMON, " 200 ", " OK "),
    (NO_STATUS, COMMON, " 200 ", " - "),
    (LENGTH, COMMON, " 512", " 5k"),
    (LENGTH, COMMON, " 512", " -1"),
    (LENGTH, COMMON, " 512", " 1e3"),
    ("There is no such day or time.", COMMON, "17/May", "32/May"),
    (NOT_A_TIME, COMMON, TIME, "yesterday"),
    ("The time has no offset: give the server's zone with --zone.", COMMON, " +0000", ""),
    (OTHER, COMMON, 'HTTP/1.1" 200', "HTTP/1.1 200"),
    (OTHER, COMMON, " 200 512", ""),
    (OTHER, COMMON, COMMON, "2015/05/17 10:05:03 [error] 77#77: *1 open() failed"),
    ("Not an epoch in seconds, milli-, micro- or nanoseconds.", COMMON, TIME, "14318571031"),
    (ADDRESS, json.dumps(shapes.REST), "203.0.113.9", "not-an-address"),
    (METHOD, json.dumps(shapes.REST), '"GET"', '"GET /orders"'),
    (STATUS, json.dumps(shapes.REST), '"200"', '"2OO"'),
    (LENGTH, json.dumps(shapes.REST), '"512"', '"many"'),
    ("No time.", json.dumps(shapes.CADDY), "1431857103.123456", "null"),
    ("The line is not JSON.", json.dumps(shapes.CADDY), "}}", ""),
    ("user is a string.", json.dumps(shapes.CADDY), '"user_id": ""', '"user_id": ["a"]'),
    ("Not a line of Traefik (JSON).", json.dumps(shapes.TRAEFIK_JSON), "DownstreamStatus", "OtherStatus"),
    ("Not in the envelope of the log's first lines.", CRI, "stdout F", "stdout P"),
    ("Not in the envelope of the log's first lines.", DOCKER, r"\n", ""),
    ("Not a line of HAProxy.", HAPROXY, " ---- ", " "),
    ("Longer than any request.", COMMON, "/orders", "/" + "a" * 70_000),
)


def refused(lines: list[str], name: str | None = None, zone: tzinfo | None = None) -> list[tuple[int, str]]:
    log = AccessLog(Ledger(UUID(int=1), True, "UTC", 30), "a log", name, zone=zone)
    preview = preview_access_log(
        log=log, stream=BytesIO("\n".join((*lines, "")).encode()), as_of=NOW, is_interrupted=lambda: False
    )
    assert preview.totals.lines == len(lines)
    return [(line.number, line.reason) for line in preview.totals.bad_lines]


@pytest.mark.parametrize(
    ("reason", "line", "old", "new"), REFUSED, ids=[f"{n} {row[0]}" for n, row in enumerate(REFUSED, 1)]
)
def test_a_wrong_field_is_refused_by_number(reason: str, line: str, old: str, new: str) -> None:
    wrong = line.replace(old, new)
    assert wrong != line
    zone = UTC if line == HAPROXY else None
    assert refused([line, line, wrong, line], zone=zone) == [(3, reason)]


def test_a_log_of_wrong_lines_alone_tells_why_each_is_wrong() -> None:
    wrong = COMMON.replace(" 200 ", " OK ")
    assert refused([wrong, wrong]) == [(1, STATUS), (2, STATUS)]
    assert refused(["nonsense"]) == [(1, "In no known log format.")]
    assert refused(["nonsense"], "haproxy") == [(1, "Not a line of HAProxy.")]


def test_columns_that_do_not_fit_their_header_are_refused() -> None:
    header, line = shapes.CLOUDFRONT_FIELDS, shapes.CLOUDFRONT_LINE
    assert refused([header, line, line + "\tmore", line.replace("203.0.113.9", "FRA2")]) == [(3, COLUMNS), (4, ADDRESS)]
    assert refused([line, header, line]) == [(1, "No line of #Fields: stands before this one.")]
    assert refused([header, line.replace("\t200\t", "\t000\t"), line]) == [(2, STATUS)]
    iis = shapes.PROXY_SHAPES[1].lines
    assert refused([*iis, iis[-1].replace(" frank ", " john\u00a0smith ")]) == [(4, USER)]


def test_a_time_that_the_clocks_skipped_is_refused() -> None:
    line = COMMON.replace("17/May/2015:10:05:03 +0000", "29/Mar/2015:02:30:00")
    berlin = ZoneInfo("Europe/Berlin")
    assert refused([line, line.replace(":02:30", ":03:30")], zone=berlin) == [
        (1, "The server's zone has no such time: its clocks were put forward.")
    ]
