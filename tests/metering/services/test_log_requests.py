"""The lines of a log become requests, each under the identity that is its own."""

import json
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import pytest

from metering.domain.access_log import line_identity
from metering.domain.import_totals import ImportTotals
from metering.domain.ledger import Ledger
from metering.gateways.line_occurrences import OccurrenceCounter
from metering.gateways.log_lines import LogLine
from metering.services.log_requests import AccessLog, RequestReader, is_evidently_whole
from tests.metering.log_lines.shapes import COMMON, REST

NOW: Final = datetime(2026, 11, 30, tzinfo=UTC)
LOG: Final = AccessLog(Ledger(UUID(int=1), True, "UTC", 30), "a log")


def ids_of(*batches: list[str], log: AccessLog = LOG) -> tuple[list[str], ImportTotals]:
    totals = ImportTotals()
    with OccurrenceCounter() as occurrences:
        reader = RequestReader(log, occurrences)
        found = [
            request.event.id
            for batch in batches
            for request in reader.requests_in(
                [LogLine(n, text.encode()) for n, text in enumerate(batch, 1)], totals, NOW
            )
        ]
    return found, totals


def test_the_gateways_own_id_identifies_and_a_clients_choice_does_not() -> None:
    own, chosen = json.dumps(REST), json.dumps({**REST, "extendedRequestId": "-"})
    found, totals = ids_of([own, chosen, chosen, own])
    assert found == [
        "JKJaXmPLvHcESHA=",
        line_identity(chosen.encode(), 1),
        line_identity(chosen.encode(), 2),
        "JKJaXmPLvHcESHA=",
    ]
    assert (totals.identical, totals.repeated, [line.number for line in totals.repeated_lines]) == (1, 1, [4])


def test_an_id_that_no_event_may_have_makes_a_bad_line() -> None:
    found, totals = ids_of([json.dumps(REST | {"extendedRequestId": "a\0b"})])
    assert (found, totals.bad) == ([], 1)


def test_an_id_of_a_mapped_place_is_taken_for_an_identity() -> None:
    log = AccessLog(LOG.ledger, "a log", places={"request_id": "requestId"})
    assert ids_of([json.dumps(REST)], log=log)[0] == [REST["requestId"]]


def test_a_format_is_detected_as_soon_as_a_line_is_known() -> None:
    found, totals = ids_of(["starting"], [COMMON])
    assert (found, totals.bad) == ([line_identity(COMMON.encode(), 1)], 1)
    assert totals.bad_by_reason == {"In no known log format.": 1}


@pytest.mark.parametrize(
    ("line", "previous", "is_whole"),
    [
        (b'{"a": 1}', b"", True),
        (b'{"a": 1', b"", False),
        (b'a "b"', b"", True),
        (b'a "b"', b'a "b" "c"', False),
        (b'a "b" "c"', b'a "d" "e"', True),
        (b"a b", b"", False),
    ],
)
def test_a_last_line_is_whole_only_if_its_end_shows(line: bytes, previous: bytes, *, is_whole: bool) -> None:
    assert is_evidently_whole(line, previous) == is_whole
