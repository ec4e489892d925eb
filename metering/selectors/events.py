"""The raw ledger for tenants: newest first by the time of the event, each with its void if it has one.

Pages follow the primary key, so the thousandth is found as fast as the first, and new events do not shift pages.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from accounts.domain.pages import InvalidCursorError, Page, PageRequest, RowPosition, cut_page
from accounts.sql import as_json, fetch_all
from metering.domain.canonical import event_key
from metering.domain.contribution import MeterRule
from metering.domain.ledger import Ledger
from metering.domain.periods import Span
from metering.selectors.bounded_reads import fetch_in_time
from metering.selectors.statements import passes_filters


@dataclass(frozen=True, slots=True)
class EventFilters:
    """The filters of events; `start <= occurred_at < end`."""

    type: str | None = None
    subject: str | None = None
    api_key_id: UUID | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class VoidFacts:
    """The void of an event: why it no longer counts."""

    reason: str
    voided_by: str
    voided_at: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row of the ledger. `properties_json` is the JSON as stored, numbers exact."""

    key: bytes
    occurred_at: datetime
    id: str
    source: str
    type: str
    quantity: Decimal
    subject: str | None
    api_key_id: UUID | None
    properties_json: str
    received_at: datetime
    void: VoidFacts | None


_COLUMNS: Final = (
    "SELECT e.occurred_at, e.key, e.id, e.source, e.type, e.quantity, e.subject, e.api_key_id, e.properties::text, "
    "e.received_at,"
    " v.reason, v.voided_by, v.voided_at"
)
_VOID: Final = (
    " LEFT JOIN event_void AS v ON v.tenant_id = e.tenant_id AND v.is_live = e.is_live AND v.key = e.key"
    " AND v.tenant_id = %(tenant_id)s AND v.is_live = %(is_live)s"
)
_CONDITIONS: Final = {
    "type": " AND e.type = %(type)s",
    "subject": " AND e.subject = %(subject)s",
    "api_key_id": " AND e.api_key_id = %(api_key_id)s",
    "start": " AND e.occurred_at >= %(start)s",
    "end": " AND e.occurred_at < %(end)s",
}


# The events that a meter counted in a span, as known at a moment: `span_usage` is their sum.
_COUNTED: Final = (
    " AND e.occurred_at >= %(start)s AND e.occurred_at < %(end)s AND e.type = %(type)s"
    " AND e.received_at >= %(counts_from)s AND e.received_at < %(known_at)s"
    f" AND {passes_filters('%(filters)s::jsonb')}"
    " AND NOT EXISTS (SELECT FROM event_void AS w WHERE w.tenant_id = e.tenant_id AND w.is_live = e.is_live AND w.key "
    "= e.key"
    " AND w.voided_at < %(known_at)s)"
)


def events_page(*, ledger: Ledger, filters: EventFilters, page: PageRequest) -> Page[StoredEvent]:
    """Return a page of the events that pass the filters. Raises `InvalidCursorError` for an unknown position."""
    wanted = {name: getattr(filters, name) for name in _CONDITIONS if getattr(filters, name) is not None}
    conditions = "".join(_CONDITIONS[name] for name in wanted)
    # Without filters the page is read from the primary key; a filter that hardly any event passes may scan all.
    fetch = fetch_in_time if wanted.keys() & {"type", "subject", "api_key_id"} else fetch_all
    return _page(ledger, conditions, wanted, page, fetch)


def counted_events_page(
    *, ledger: Ledger, meter: MeterRule, span: Span, known_at: datetime, page: PageRequest
) -> Page[StoredEvent]:
    """Return a page of the events that a meter counted in a span.

    Only events that were received and not voided before `known_at`.

    Raises `InvalidCursorError`, and `QueryTooLargeError` if hardly any event passes the meter's filters.
    """
    wanted: dict[str, object] = {
        "start": span.start,
        "end": span.end,
        "type": meter.event_type,
        "counts_from": meter.counts_from,
        "known_at": known_at,
        "filters": as_json(meter.filters),
    }
    return _page(ledger, _COUNTED, wanted, page, fetch_in_time)


def _page(
    ledger: Ledger, conditions: str, wanted: Mapping[str, object], page: PageRequest, fetch: Callable[..., list[Any]]
) -> Page[StoredEvent]:
    parameters: dict[str, object] = {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "limit": page.rows_to_read,
        **wanted,
    }
    comparison, order = (">", "ASC") if page.is_backwards else ("<", "DESC")
    if page.position is not None:
        conditions += f" AND (e.occurred_at, e.key) {comparison} (%(at)s::timestamptz, %(key)s::bytea)"
        parameters |= {"at": page.position.at, "key": _key_of(page.position)}
    rows = fetch(
        f"{_COLUMNS} FROM (SELECT * FROM event AS e"
        f" WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s{conditions}"
        f" ORDER BY e.occurred_at {order}, e.key {order} LIMIT %(limit)s) AS e{_VOID}"
        f" ORDER BY e.occurred_at {order}, e.key {order}",
        parameters,
    )
    return cut_page([_stored_event(row) for row in rows], page, _position_of)


def event_by_id(*, ledger: Ledger, event_id: str, source: str = "") -> StoredEvent | None:
    """Return the event with this id, or None."""
    rows = fetch_all(
        f"{_COLUMNS} FROM event_identity AS i"
        " JOIN event AS e ON e.tenant_id = i.tenant_id AND e.is_live = i.is_live AND e.occurred_at = i.occurred_at "
        "AND e.key = i.key"
        f"{_VOID} WHERE i.tenant_id = %(tenant_id)s AND i.is_live = %(is_live)s AND i.key = %(key)s",
        {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live, "key": event_key(source, event_id)},
    )
    return _stored_event(rows[0]) if rows else None


def _stored_event(row: tuple[Any, ...]) -> StoredEvent:
    occurred_at, key, id_, source, type_, quantity, subject, api_key_id, properties, received_at, *void = row
    return StoredEvent(
        key=bytes(key),
        occurred_at=occurred_at,
        id=id_,
        source=source,
        type=type_,
        quantity=quantity,
        subject=subject,
        api_key_id=api_key_id,
        properties_json=properties,
        received_at=received_at,
        void=None if void == [None, None, None] else VoidFacts(*void),
    )


def _position_of(event: StoredEvent) -> RowPosition:
    return RowPosition(event.occurred_at, event.key.hex())


def _key_of(position: RowPosition) -> bytes:
    try:
        return bytes.fromhex(position.id)
    except ValueError as error:
        raise InvalidCursorError("The cursor is invalid.") from error
