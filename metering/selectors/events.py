"""The raw ledger for tenants: newest first by the time of the event, each with its void if it has one.

Pages follow the primary key, so the thousandth is found as fast as the first, and new events do not shift pages.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from accounts.domain.numbers import number_text
from accounts.domain.pages import InvalidCursorError, Page, PageRequest, RowPosition, cut_page
from accounts.sql import fetch_all
from metering.domain.canonical import event_key
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span
from metering.errors import QueryTooLargeError
from metering.selectors.bounded_reads import fetch_in_time
from metering.selectors.catalog import versions_of
from metering.selectors.formula_sql import with_formulas
from metering.selectors.statements import IS_COUNTED, METERS, has_value_of, meters_parameter, passes_filters


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
    """The void of an event: why it no longer counts, and the id of the event that replaces it, if one does."""

    reason: str
    voided_by: str
    voided_at: datetime
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row of the ledger. `properties_json` is the JSON as stored, numbers exact.

    `amends` is the id of the event of the same source that it replaces, while that is kept.
    """

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
    amends: str | None = None


_COLUMNS: Final = (
    "SELECT e.occurred_at, e.key, e.id, e.source, e.type, e.quantity, e.subject, e.api_key_id, e.properties::text, "
    "e.received_at,"
    " o.id, v.reason, v.voided_by, v.voided_at, v.replaced_by"
)
_VOID: Final = (
    " LEFT JOIN event_void AS v ON v.tenant_id = e.tenant_id AND v.is_live = e.is_live AND v.key = e.key"
    " AND v.tenant_id = %(tenant_id)s AND v.is_live = %(is_live)s"
    " LEFT JOIN event_void AS a ON a.tenant_id = e.tenant_id AND a.is_live = e.is_live AND a.replaced_by_key = e.key"
    " AND a.tenant_id = %(tenant_id)s AND a.is_live = %(is_live)s"
    " LEFT JOIN event AS o ON o.tenant_id = a.tenant_id AND o.is_live = a.is_live AND o.occurred_at = a.occurred_at"
    " AND o.key = a.key"
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
    " AND e.occurred_at >= %(start)s AND e.occurred_at < %(end)s AND e.type = %(type)s AND e.received_at < %(known_at)s"
    " AND NOT EXISTS (SELECT FROM event_void AS w WHERE w.tenant_id = e.tenant_id AND w.is_live = e.is_live AND w.key "
    "= e.key"
    " AND w.voided_at < %(known_at)s)"
)


def events_page(*, ledger: Ledger, filters: EventFilters, page: PageRequest) -> Page[StoredEvent]:
    """Return a page of the events that pass the filters. Raises `InvalidCursorError` for an unknown position."""
    conditions, wanted = _terms_of(filters)
    # Without filters the page is read from the primary key; a filter that hardly any event passes may scan all.
    fetch = fetch_in_time if wanted.keys() & {"type", "subject", "api_key_id"} else fetch_all
    return _page(ledger, conditions, wanted, page, fetch)


def require_at_most(rows_max: int, *, ledger: Ledger, filters: EventFilters) -> None:
    """Raise `QueryTooLargeError` if more events pass the filters."""
    conditions, wanted = _terms_of(filters)
    statement = (
        "SELECT count(*) FROM (SELECT FROM event AS e"
        f" WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s{conditions} LIMIT %(limit)s) AS e"
    )
    scope = {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live, "limit": rows_max + 1}
    [(found,)] = fetch_in_time(statement, scope | wanted)
    if found > rows_max:
        raise QueryTooLargeError(
            f"There are more than {number_text(rows_max)} such events. Ask for a shorter span of time."
        )


def _terms_of(filters: EventFilters) -> tuple[str, dict[str, object]]:
    wanted = {name: getattr(filters, name) for name in _CONDITIONS if getattr(filters, name) is not None}
    return "".join(_CONDITIONS[name] for name in wanted), wanted


def counted_events_page(
    *, ledger: Ledger, meter: MeterRule, span: Span, known_at: datetime, page: PageRequest
) -> Page[StoredEvent]:
    """Return a page of the events that a meter counted in a span.

    Only events that were received and not voided before `known_at`. A level that an event reported before the span may
    have lasted until it, so such events are among them.

    Raises `InvalidCursorError`, and `QueryTooLargeError` if hardly any event passes the meter's filters.
    """
    versions = versions_of({meter.id})
    wanted: dict[str, object] = {
        "start": span.start - meter.aggregation.reaches_back,
        "end": span.end,
        "type": meter.event_type,
        "known_at": known_at,
        "meters": meters_parameter(versions),
    }
    kinds = list(dict.fromkeys(version.aggregation for version in versions))
    is_counted = f"{IS_COUNTED} AND {passes_filters('m.filters')} AND {has_value_of(kinds)}"
    conditions = with_formulas(f"{_COUNTED} AND EXISTS (SELECT FROM meters AS m WHERE {is_counted})", versions)
    return _page(ledger, conditions, wanted, page, fetch_in_time, with_tables=f"WITH {METERS} ")


def _page(
    ledger: Ledger,
    conditions: str,
    wanted: Mapping[str, object],
    page: PageRequest,
    fetch: Callable[..., list[Any]],
    *,
    with_tables: str = "",
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
        f"{with_tables}{_COLUMNS} FROM (SELECT * FROM event AS e"
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


def halves_with_event(*, tenant_id: UUID, event_id: str) -> list[bool]:
    """Return whether each half of a tenant's ledger that has an event with this id, and no source, is live; live first.

    Both halves are read by their primary key, in one query.
    """
    rows = fetch_all(
        "SELECT i.is_live FROM event_identity AS i WHERE i.tenant_id = %(tenant_id)s AND i.is_live = ANY('{t,f}')"
        " AND i.key = %(key)s ORDER BY i.is_live DESC",
        {"tenant_id": tenant_id, "key": event_key("", event_id)},
    )
    return [is_live for (is_live,) in rows]


def events_by_name(*, ledger: Ledger, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], StoredEvent]:
    """Return by id and source those of the named events that are in the ledger, in one query."""
    rows = fetch_all(
        f"{_COLUMNS} FROM event_identity AS i"
        " JOIN event AS e ON e.tenant_id = i.tenant_id AND e.is_live = i.is_live AND e.occurred_at = i.occurred_at "
        "AND e.key = i.key"
        f"{_VOID} WHERE i.tenant_id = %(tenant_id)s AND i.is_live = %(is_live)s AND i.key = ANY(%(keys)s)",
        {
            "tenant_id": ledger.tenant_id,
            "is_live": ledger.is_live,
            "keys": [event_key(source, event_id) for event_id, source in names],
        },
    )
    return {(event.id, event.source): event for event in map(_stored_event, rows)}


def _stored_event(row: tuple[Any, ...]) -> StoredEvent:
    occurred_at, key, id_, source, type_, quantity, subject, api_key_id, properties, received_at, amends, *void = row
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
        void=None if void[2] is None else VoidFacts(*void),
        amends=amends,
    )


def _position_of(event: StoredEvent) -> RowPosition:
    return RowPosition(event.occurred_at, event.key.hex())


def _key_of(position: RowPosition) -> bytes:
    try:
        return bytes.fromhex(position.id)
    except ValueError as error:
        raise InvalidCursorError("The cursor is invalid.") from error
