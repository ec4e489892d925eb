"""A part of a table in PostgreSQL: its rows as CSV, and its content as the lake's is computed."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Final

from accounts.sql import copy_out, fetch_all
from metering.lake.domain.parts import Part, PartContent, compared, places_of
from metering.lake.domain.tables import LakeColumn, LakeTable

_DIGEST: Final = "('x' || substr(md5({text}), 1, 15))::bit(60)::bigint"


def copy_part(part: Part, write: Callable[[bytes], object]) -> int:
    """Pass the rows of a part as CSV, sorted as the lake keeps them, each with its digest; return their number."""
    table = part.table
    columns = ", ".join(f'{_value(column)} AS "{column.name}"' for column in table.in_lake)
    text = " || ".join(_text(f'"{column.name}"') for column in compared(table))
    # The inner SELECT computes each value once. By the first and third column: the tenant, and the half of the ledger.
    statement = (
        f"COPY (SELECT *, {_DIGEST.format(text=text)} FROM (SELECT {columns} FROM {_rows(table)}"
        f" ORDER BY 1, 3, {_time(table)} OFFSET 0) AS r) TO STDOUT (FORMAT csv)"
    )
    return copy_out(statement, _bounds(part), write)


def ledger_content(part: Part) -> PartContent:
    """Return rows, sum and digest of a part, computed by PostgreSQL alone."""
    table = part.table
    text = " || ".join(_text(_value(column)) for column in compared(table))
    quantity = next(column for column in table.columns if column.name == "quantity")
    voided = next((column.source for column in table.columns if column.name == "voided_at"), "NULL")
    [(rows, total, digest, voids)] = fetch_all(
        "SELECT count(*), coalesce(sum(quantity), 0), coalesce(sum(digest), 0), count(voided) FROM (SELECT"
        f" {_value(quantity)} AS quantity, {_DIGEST.format(text=text)} AS digest, {voided} AS voided"
        f" FROM {_rows(table)}) AS r",
        _bounds(part),
    )
    return PartContent(rows, total, int(digest), voids)


def _text(value: str) -> str:
    return f"coalesce('|' || ({value})::text, '-')"


def _rows(table: LakeTable) -> str:
    return (
        f"{table.source} JOIN accounts_tenant AS whose ON whose.id = {table.tenant}"
        f" WHERE {_time(table)} >= %(start)s AND {_time(table)} < %(end)s"
    )


def _time(table: LakeTable) -> str:
    return next(column.source for column in table.columns if column.name == table.time)


def _bounds(part: Part) -> dict[str, object]:
    is_day = next(column.kind for column in part.table.columns if column.name == part.table.time) == "DATE"
    return {"start": _bound(part.starts_on, is_day=is_day), "end": _bound(part.ends_on, is_day=is_day)}


def _bound(day: date, *, is_day: bool) -> date:
    return day if is_day else datetime.combine(day, time(), UTC)


def _value(column: LakeColumn) -> str:
    """Return a column as the lake keeps it: a time in microseconds, a decimal with all its places."""
    if column.kind == "TIMESTAMPTZ":
        return f"(extract(epoch FROM {column.source}) * 1000000)::bigint"
    places = places_of(column)
    return column.source if places is None else f"round({column.source}, {places})"
