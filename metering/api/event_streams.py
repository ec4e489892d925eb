"""`GET /events` as NDJSON or CSV: every event that the filters find, streamed.

The events are read by pages along the primary key, and each part of the response is one page. So memory is constant
whatever the number of events, and no transaction or thread waits for another part. An event that arrives meanwhile is
among them if it occurred before those that were sent already.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from django.http import StreamingHttpResponse
from rest_framework.request import Request

from accounts.api.renderers import encode_json
from accounts.domain.pages import PAGE_ROWS_MAX, Page, PageRequest
from metering.api.csv_renderer import BOM, CsvRenderer, csv_lines
from metering.api.ndjson_renderer import NdjsonRenderer, write_ndjson
from metering.api.parameters import flag_of, refuse
from metering.domain.ledger import Ledger
from metering.selectors.events import EventFilters, StoredEvent, events_page, require_at_most

ROWS_MAX: Final = 1_000_000
STREAM_RENDERERS: Final = (NdjsonRenderer, CsvRenderer)
COLUMNS: Final = (
    "id", "source", "type", "timestamp", "quantity", "subject", "api_key", "received_at", "properties", "voided_at",
    "void_reason", "amends",
)  # fmt: skip
Present = Callable[[StoredEvent], dict[str, object]]
Read = Callable[[PageRequest], Page[StoredEvent]]


def is_streamed(request: Request) -> bool:
    """Return whether the client accepts a form that is streamed."""
    return isinstance(request.accepted_renderer, STREAM_RENDERERS)


def event_stream(request: Request, ledger: Ledger, filters: EventFilters, present: Present) -> StreamingHttpResponse:
    """Return all events that pass the filters, as a stream. The first page is read at once: an error is a problem.

    Raises 422 for a page that is asked for, since a stream has none, and if there are more than `ROWS_MAX` events.
    """
    for name in ("limit", "cursor"):
        if request.query_params.get(name):
            refuse(name, "not_paginated", "NDJSON and CSV have every event that passes the filters, in one response.")
    has_bom = flag_of(request, "bom")
    require_at_most(ROWS_MAX, ledger=ledger, filters=filters)
    is_csv = isinstance(request.accepted_renderer, CsvRenderer)

    def read(page: PageRequest) -> Page[StoredEvent]:
        return events_page(ledger=ledger, filters=filters, page=page)

    pages = () if request.method == "HEAD" else _pages(read, read(PageRequest(PAGE_ROWS_MAX)))
    parts = _as_csv(pages, present, has_bom=has_bom) if is_csv else _as_ndjson(pages, present)
    response = StreamingHttpResponse(
        parts, content_type="text/csv; charset=utf-8" if is_csv else NdjsonRenderer.media_type
    )
    response["Content-Disposition"] = f'attachment; filename="events.{"csv" if is_csv else "ndjson"}"'
    return response


def _pages(read: Read, first: Page[StoredEvent]) -> Iterator[Sequence[StoredEvent]]:
    """Yield the rows of each page."""
    page = first
    yield page.rows
    while page.next is not None:
        page = read(page.next)
        yield page.rows


def _as_ndjson(pages: Iterable[Sequence[StoredEvent]], present: Present) -> Iterator[bytes]:
    """Yield the lines of each page."""
    for rows in pages:
        yield write_ndjson(present(row) for row in rows)


def _as_csv(pages: Iterable[Sequence[StoredEvent]], present: Present, *, has_bom: bool) -> Iterator[bytes]:
    """Yield the header, and the lines of each page."""
    yield (BOM if has_bom else b"") + csv_lines([COLUMNS])
    for rows in pages:
        yield csv_lines(_cells(present(row)) for row in rows)


def _cells(event: dict[str, object]) -> list[object]:
    void = event["void"]
    found = void if isinstance(void, dict) else {}
    row = event | {
        "properties": encode_json(event["properties"]).decode(),
        "voided_at": found.get("voided_at"),
        "void_reason": found.get("reason"),
    }
    return [row[name] for name in COLUMNS]
