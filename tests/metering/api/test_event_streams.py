"""`GET /events` as NDJSON and CSV: every event, in constant memory."""

import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from django.http import StreamingHttpResponse
from django.test import Client

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger
from metering.errors import QueryTooLargeError
from metering.selectors.events import EventFilters, require_at_most
from metering.services.voids import void_event
from tests.metering.api.conftest import Api, problem_of
from tests.metering.ledger_world import send

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 3, 4, 18, 45, tzinfo=UTC)
NDJSON = "application/x-ndjson"
# Two pages, and the bounded caches of texts.
PEAK_KILOBYTES_MAX = 4096


def some(number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"e{n}",
            "type": "http_request",
            "timestamp": AS_OF - timedelta(seconds=n),
            "subject": "=ann" if n else None,
            "properties": {"status": 200, "n": n},
        }
        for n in range(number)
    ]


def stream_of(api: Api, accept: str, **query: str) -> Iterator[bytes]:
    response = Client().get("/api/v1/events", query, headers=api.headers({"Accept": accept}))
    assert isinstance(response, StreamingHttpResponse), response.content
    return cast("Iterator[bytes]", response.streaming_content)


def streamed(api: Api, accept: str, **query: str) -> bytes:
    return b"".join(stream_of(api, accept, **query))


def test_all_events_are_streamed_as_lines_over_many_pages(alice: Api, acme_ledger: Ledger) -> None:
    send(acme_ledger, some(1203), as_of=AS_OF, api_key_id=alice.key.id)
    lines = [json.loads(line) for line in streamed(alice, NDJSON).splitlines()]
    assert [line["id"] for line in lines] == [f"e{n}" for n in range(1203)]
    assert lines[0] == json.loads(alice.get("/events/e0").content)
    few = streamed(alice, NDJSON, start="2026-03-04T18:44:58Z", type="http_request")
    assert [json.loads(line)["id"] for line in few.splitlines()] == ["e0", "e1", "e2"]
    assert streamed(alice, NDJSON, subject="nobody") == b""


def test_events_are_a_table_with_their_voids(alice: Api, acme_ledger: Ledger) -> None:
    send(acme_ledger, some(2), as_of=AS_OF)
    void_event(ledger=acme_ledger, event_id="e1", reason="twice", voided_by="ann", as_of=AS_OF)
    content = streamed(alice, "text/csv", bom="1")
    assert content.startswith(b"\xef\xbb\xbfid,source,type,")
    one, other = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert (one["id"], one["subject"], one["voided_at"], json.loads(one["properties"])) == (
        "e0", "", "", {"n": 0, "status": 200},
    )  # fmt: skip
    assert (other["subject"], other["void_reason"], other["voided_at"]) == ("'=ann", "twice", "2026-03-04T18:45:00Z")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "5"}, "not_paginated"),
        ({"cursor": "x"}, "not_paginated"),
        ({"bom": "2"}, "invalid_flag"),
        ({"start": "2026-02-02", "end": "2026-02-01"}, "invalid_span"),
    ],
)
def test_what_a_stream_has_not_is_refused_before_it_begins(alice: Api, query: dict[str, str], code: str) -> None:
    assert problem_of(alice.get("/events", query, Accept=NDJSON), 422)["code"] == code


def test_more_events_than_one_response_takes_are_refused(acme_ledger: Ledger) -> None:
    send(acme_ledger, some(3), as_of=AS_OF)
    require_at_most(3, ledger=acme_ledger, filters=EventFilters())
    require_at_most(1, ledger=acme_ledger, filters=EventFilters(start=AS_OF))
    with pytest.raises(QueryTooLargeError, match="more than 2 such events"):
        require_at_most(2, ledger=acme_ledger, filters=EventFilters())


def test_another_tenants_key_streams_nothing(alice: Api, charlie: Api, acme_ledger: Ledger) -> None:
    send(acme_ledger, some(3), as_of=AS_OF)
    assert streamed(charlie, NDJSON) == b""
    head = Client().head("/api/v1/events", headers=alice.headers({"Accept": NDJSON}))
    assert (head.status_code, head["Content-Type"]) == (200, NDJSON)


def peak_kilobytes(stream: Iterator[bytes], read: Callable[[Iterator[bytes]], int]) -> tuple[int, int]:
    """Return the most memory that was allocated while the stream was read, and what `read` returns."""
    tracemalloc.start()
    lines = read(stream)
    peak = tracemalloc.get_traced_memory()[1] // 1024
    tracemalloc.stop()
    return peak, lines


def copy_events(times: int) -> None:
    """Store each event again under other keys: rows for a stream, which no usage counts."""
    columns = "tenant_id, is_live, id, source, type, quantity, subject, api_key_id, properties, received_at"
    fetch_all(
        f"INSERT INTO event (key, occurred_at, {columns}) SELECT decode(md5(key || n::text::bytea), 'hex'),"
        f" occurred_at - n * interval '1 millisecond', {columns} FROM event, generate_series(1, {times}) AS n"
    )


@pytest.mark.takes_long("it streams many events")
@pytest.mark.parametrize(
    "times", [5, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.takes_long("100,000 rows are streamed")])]
)
def test_memory_does_not_grow_with_the_number_of_events(alice: Api, acme_ledger: Ledger, times: int) -> None:
    send(acme_ledger, some(2000), as_of=AS_OF)
    copy_events(times)
    all_lines = 2000 * (times + 1)
    peak, lines = peak_kilobytes(stream_of(alice, NDJSON), lambda stream: sum(part.count(b"\n") for part in stream))
    assert lines == all_lines
    assert peak < PEAK_KILOBYTES_MAX, f"{peak} KiB for {lines} events"
    kept, lines = peak_kilobytes(stream_of(alice, NDJSON), lambda stream: b"".join(stream).count(b"\n"))
    assert lines == all_lines
    assert kept > PEAK_KILOBYTES_MAX, "the control, which keeps all parts, is seen"
