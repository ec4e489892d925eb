"""A part of a table in PostgreSQL: its rows as a CSV file, and its content as the lake's is computed."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

from accounts.sql import copy_out, fetch_all
from metering.lake.domain.parts import Part, PartContent, compared, places_of
from metering.lake.domain.tables import LakeColumn, LakeTable

_DIGEST: Final = "('x' || substr(md5({text}), 1, 15))::bit(60)::bigint"


def copy_part(part: Part, file: Path) -> int:
    """Write the rows of a part to a file, sorted as the lake keeps them, and return their number."""
    table = part.table
    columns = ", ".join(_value(column) for column in table.in_lake)
    # By the first and third column: the tenant, and which half of the ledger.
    statement = f"COPY (SELECT {columns} FROM {_rows(table)} ORDER BY 1, 3, {_time(table)}) TO STDOUT (FORMAT csv)"
    with file.open("wb") as opened:
        return copy_out(statement, _bounds(part), opened.write)


def ledger_content(part: Part) -> PartContent:
    """Return rows, sum and digest of a part, computed by PostgreSQL alone."""
    table = part.table
    text = " || ".join(f"coalesce('|' || ({_value(column)})::text, '-')" for column in compared(table))
    quantity = next(column for column in table.columns if column.name == "quantity")
    voided = next((column.source for column in table.columns if column.name == "voided_at"), "NULL")
    [(rows, total, digest, voids)] = fetch_all(
        "SELECT count(*), coalesce(sum(quantity), 0), coalesce(sum(digest), 0), count(voided) FROM (SELECT"
        f" {_value(quantity)} AS quantity, {_DIGEST.format(text=text)} AS digest, {voided} AS voided"
        f" FROM {_rows(table)}) AS r",
        _bounds(part),
    )
    return PartContent(rows, total, int(digest), voids)


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
