"""A tenant's rows of the ledger and of its rollups for exports, read by pages along the primary key."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import msgspec

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger

PAGE_ROWS: Final = 5000
_MONTHS: Final = """
SELECT date_trunc('month', min(occurred_at), 'UTC')::date::text,
    date_trunc('month', max(occurred_at), 'UTC')::date::text
FROM event WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s"""
_OWN: Final = "t.tenant_id = %(tenant_id)s AND t.is_live = %(is_live)s"


@dataclass(frozen=True, slots=True)
class LedgerTable:
    """A table to read: `key` are its key columns after tenant and half, with their types.

    `columns` names each column of a row; `of_json` are the columns with JSON.
    """

    source: str
    key: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    of_json: frozenset[str] = frozenset()


_WITH_METER: Final = "AS t LEFT JOIN metering_meter AS m ON m.id = t.meter_id"
EVENTS: Final = LedgerTable(
    "event AS t",
    (("t.occurred_at", "timestamptz"), ("t.key", "bytea")),
    (
        ("id", "t.id"),
        ("source", "t.source"),
        ("type", "t.type"),
        ("timestamp", "t.occurred_at"),
        ("quantity", "t.quantity"),
        ("subject", "t.subject"),
        ("api_key", "t.api_key_id"),
        ("properties", "t.properties::text"),
        ("received_at", "t.received_at"),
    ),
    frozenset({"properties"}),
)
VOIDS: Final = LedgerTable(
    "event_void AS t LEFT JOIN event AS e ON e.tenant_id = t.tenant_id AND e.is_live = t.is_live AND e.key = t.key"
    " AND e.occurred_at = t.occurred_at",
    (("t.key", "bytea"),),
    (
        ("id", "e.id"),
        ("source", "e.source"),
        ("timestamp", "t.occurred_at"),
        ("reason", "t.reason"),
        ("voided_by", "t.voided_by"),
        ("voided_at", "t.voided_at"),
        ("replaced_by", "t.replaced_by"),
    ),
)
HOURS: Final = LedgerTable(
    f"usage_hour {_WITH_METER}",
    (("t.meter_id", "bigint"), ("t.hour", "timestamptz"), ("t.slot", "smallint")),
    (("meter", "m.code"), ("hour", "t.hour"), ("slot", "t.slot"), ("quantity", "t.quantity"), ("events", "t.events")),
)
DAYS: Final = LedgerTable(
    f"usage_day {_WITH_METER}",
    (
        ("t.meter_id", "bigint"),
        ("t.day", "date"),
        ("t.api_key_id", "uuid"),
        ("t.dimension_key", "bytea"),
        ("t.slot", "smallint"),
    ),
    (
        ("meter", "m.code"),
        ("day", "t.day"),
        ("api_key", "t.api_key_id"),
        ("dimensions", "t.dimensions::text"),
        ("slot", "t.slot"),
        ("quantity", "t.quantity"),
        ("events", "t.events"),
    ),
    frozenset({"dimensions"}),
)


def months_with_events(ledger: Ledger) -> list[date]:
    """Return the months from the first to the last in which the ledger has an event."""
    first, last = fetch_all(_MONTHS, {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live})[0]
    if first is None:
        return []
    month, end = date.fromisoformat(first), date.fromisoformat(last)
    months = []
    while month <= end:
        months.append(month)
        month = next_month(month)
    return months


def next_month(month: date) -> date:
    """Return the first day of the month after the one that begins on `month`."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def ledger_pages(
    table: LedgerTable, ledger: Ledger, *, start: datetime | None = None, end: datetime | None = None
) -> Iterator[list[dict[str, object]]]:
    """Yield all rows of the ledger in a table, or its events with `start <= occurred_at < end`, a page at a time."""
    names = [column for column, _ in table.key]
    bounds = "" if start is None else " AND t.occurred_at >= %(start)s AND t.occurred_at < %(end)s"
    after = ", ".join(f"%(key_{number})s::{kind}" for number, (_, kind) in enumerate(table.key))
    begin = (
        f"SELECT {', '.join((*names, *(column for _, column in table.columns)))} FROM {table.source}"
        f" WHERE {_OWN}{bounds}"
    )
    finish = f" ORDER BY {', '.join(names)} LIMIT {PAGE_ROWS}"
    parameters: dict[str, object] = {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live}
    if bounds:
        parameters |= {"start": start, "end": end}
    position = ""
    while True:
        rows = fetch_all(f"{begin}{position}{finish}", parameters)
        if rows:
            yield [_named(table, row[len(names) :]) for row in rows]
        if len(rows) < PAGE_ROWS:
            return
        position = f" AND ({', '.join(names)}) > ({after})"
        parameters |= {f"key_{number}": value for number, value in enumerate(rows[-1][: len(names)])}


def _named(table: LedgerTable, values: tuple[object, ...]) -> dict[str, object]:
    return {
        name: msgspec.Raw(str(value).encode()) if name in table.of_json else _exact(value)
        for (name, _), value in zip(table.columns, values, strict=True)
    }


def _exact(value: object) -> object:
    """Return a number of the rollups without exponent and trailing zeros."""
    return value.normalize() if isinstance(value, Decimal) else value
