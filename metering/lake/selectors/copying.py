"""Rows of a table as a CSV file, read by COPY: bounded in rows, bytes and time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

from django.db import OperationalError, transaction
from psycopg.errors import QueryCanceled

from accounts.domain.numbers import number_text
from accounts.sql import copy_out, fetch_all
from metering.errors import QueryTooLargeError
from metering.lake.domain.questions import Range, SqlBounds
from metering.lake.domain.tables import LakeColumn, LakeTable
from metering.selectors.bounded_reads import LIMIT

TOO_LONG: Final = "Reading the rows takes too long. Give `start` and `end`, and a shorter span of time."


def columns_of(table: LakeTable, tenant_id: UUID | None) -> tuple[LakeColumn, ...]:
    """Return the columns of one tenant's rows, or, without a tenant, of all rows with their tenants."""
    if tenant_id:
        return table.columns
    whose = LakeColumn("tenant", "VARCHAR", "whose.slug"), LakeColumn("is_live", "BOOLEAN", table.is_live)
    return (*whose, *table.columns)


def copy_rows(
    table: LakeTable, path: Path, *, tenant_id: UUID | None, is_live: bool, span: Range, bounds: SqlBounds
) -> int:
    """Write the rows to a file, and return their number. Raises `QueryTooLargeError` if there are too many."""
    parameters: dict[str, object] = {"rows": bounds.rows_read_max + 1, "start": span.start, "end": span.end}
    if tenant_id:
        parameters |= {"tenant_id": tenant_id, "is_live": is_live}
    return require_rows(table, _written(_statement(table, tenant_id, span), parameters, path, bounds), bounds)


def require_rows(table: LakeTable, rows: int, bounds: SqlBounds) -> int:
    """Return the number of rows that were read of a table. Raises `QueryTooLargeError` if it is over the bound."""
    if rows > bounds.rows_read_max:
        raise QueryTooLargeError(
            f"There are more than {number_text(bounds.rows_read_max)} rows of {table.name}."
            " Give `start` and `end`, and a shorter span of time."
        )
    return rows


def _statement(table: LakeTable, tenant_id: UUID | None, span: Range) -> str:
    columns = ", ".join(column.source for column in columns_of(table, tenant_id))
    source, conditions = table.source, []
    if tenant_id:
        conditions += [f"{table.tenant} = %(tenant_id)s", f"{table.is_live} = %(is_live)s"]
    else:
        source += f" JOIN accounts_tenant AS whose ON whose.id = {table.tenant}"
    if span.start:
        conditions.append(f"{table.ends} >= %(start)s")
    if span.end:
        conditions.append(f"{table.starts} < %(end)s")
    condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"COPY (SELECT {columns} FROM {source}{condition} LIMIT %(rows)s) TO STDOUT (FORMAT csv)"


def _written(statement: str, parameters: Mapping[str, object], path: Path, bounds: SqlBounds) -> int:
    size = 0

    def write(block: bytes) -> None:
        nonlocal size
        size += len(block)
        if size > bounds.bytes_read_max:
            raise QueryTooLargeError(TOO_LONG)
        file.write(block)

    try:
        with transaction.atomic(), path.open("wb") as file:
            fetch_all(LIMIT, {"milliseconds": str(bounds.seconds * 1000)})
            return copy_out(statement, parameters, write)
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise QueryTooLargeError(TOO_LONG) from error
        raise
