"""Ask a question in SQL: copy the rows that it may see to a folder, and run it over these alone."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore
from typing import Final

from accounts.domain.scopes import Scope
from accounts.errors import ScopeMissingError, StoreUnavailableError
from metering.domain.ledger import Ledger
from metering.domain.retention import month_after, month_start
from metering.errors import EventsDeletedError
from metering.lake.domain.pieces import Piece, RowSource, pieces_of
from metering.lake.domain.questions import CUSTOMER_BOUNDS, Range, SqlAnswer, SqlBounds, require_query
from metering.lake.domain.tables import LakeTable, tables_named
from metering.lake.errors import LakeUnavailableError, SqlBusyError
from metering.lake.gateways.iceberg import LakeQuestion, lake_of_settings
from metering.lake.gateways.sandbox import LoadedTable, Output, run_query
from metering.lake.selectors.copying import columns_of, copy_rows, require_rows
from metering.lake.selectors.ledger_tables import lake_tables
from metering.lake.selectors.months import months_deleted, months_gone, months_in_lake, slugs_by_id

# A process runs one question of customers at a time, so that its other threads stay free.
_TURN: Final = BoundedSemaphore(1)


def query_as_tenant(
    query: str, *, ledger: Ledger, scopes: frozenset[Scope], span: Range, bounds: SqlBounds = CUSTOMER_BOUNDS
) -> SqlAnswer:
    """Return the answer to a tenant's question over its own rows of one half of the ledger.

    Events that retention deleted are read from the lake. Raises `InvalidSqlError`, `QueryTooLargeError`,
    `SqlBusyError`, `ScopeMissingError` if it names a table that the key may not read, `EventsDeletedError` for events
    that are deleted and not in the lake, and `StoreUnavailableError` if the lake cannot be read.
    """
    named = tables_named(require_query(query), lake_tables())
    for table in named:
        if table.scope not in scopes:
            raise ScopeMissingError(f"Reading {table.name} needs the scope {table.scope}.")
    with _turn(), TemporaryDirectory(prefix="countinghouse-sql-") as folder:
        months = _deleted_months(span) if any(table.is_by_day for table in named) else []
        try:
            tables = [
                _loaded(table, Path(folder), pieces_of(span, months if table.is_by_day else []), bounds, ledger)
                for table in named
            ]
        except LakeUnavailableError as error:
            raise StoreUnavailableError("The events of this time cannot be read at the moment.") from error
        return run_query(query, tables=tables, folder=Path(folder), bounds=bounds)


def query_as_operator(
    query: str,
    *,
    span: Range,
    bounds: SqlBounds,
    output: Output | None = None,
    threads: int = 1,
    source: RowSource = RowSource.BOTH,
) -> SqlAnswer:
    """Return the answer to an operator's question over the rows of all tenants, with the columns `tenant`, `is_live`.

    With an `output` all rows are written to it instead. Months of events that are sealed and did not change since are
    read from the lake, unless `source` is the ledger. If it is the lake, nothing is read from the ledger.
    Raises `InvalidSqlError`, `QueryTooLargeError`, and `LakeUnavailableError`.
    """
    with TemporaryDirectory(prefix="countinghouse-sql-") as folder:
        named = tables_named(require_query(query), lake_tables())
        tables: list[LoadedTable] = []
        months: list[date] = []
        for table in named:
            of_table = months_in_lake(span) if table.is_by_day and source is RowSource.BOTH else []
            months += of_table
            tables.append(_loaded(table, Path(folder), pieces_for(table, span, source, of_table), bounds))
        gone = months_gone(span) if any(table.is_by_day for table in named) else []
        answer = run_query(query, tables=tables, folder=Path(folder), bounds=bounds, output=output, threads=threads)
        return replace(answer, from_lake=tuple(months), gone=tuple(gone))


def pieces_for(table: LakeTable, span: Range, source: RowSource, months: Sequence[date]) -> list[Piece]:
    """Return the pieces in which a table is read. The lake's invoice lines and days are read whole."""
    if source is not RowSource.LAKE:
        return pieces_of(span, months)
    return [Piece(span if table.starts == table.ends else Range(), is_in_lake=True)]


def _loaded(
    table: LakeTable, folder: Path, pieces: Sequence[Piece], bounds: SqlBounds, ledger: Ledger | None = None
) -> LoadedTable:
    """Copy the rows of a table to files: of one ledger, or of all tenants."""
    tenant_id, is_live = (ledger.tenant_id, ledger.is_live) if ledger else (None, True)
    files: list[str] = []
    rows = 0
    for number, piece in enumerate(pieces):
        left = replace(bounds, rows_read_max=bounds.rows_read_max - rows)
        name = f"{table.name}-{number}.{'parquet' if piece.is_in_lake else 'csv'}"
        if piece.is_in_lake:
            rows += _from_lake(table, folder / name, piece.span, left, ledger)
        else:
            rows += copy_rows(table, folder / name, tenant_id=tenant_id, is_live=is_live, span=piece.span, bounds=left)
        if (folder / name).exists():
            files.append(name)
    columns = [(column.name, column.kind) for column in columns_of(table, tenant_id)]
    return LoadedTable(table.name, files, columns, rows)


def _from_lake(table: LakeTable, file: Path, span: Range, bounds: SqlBounds, ledger: Ledger | None) -> int:
    columns = [column.name for column in columns_of(table, ledger.tenant_id if ledger else None)]
    question = LakeQuestion(columns, table.time, span.start, span.end, bounds.rows_read_max, bounds.bytes_read_max)
    if ledger:
        question = replace(question, tenant_id=str(ledger.tenant_id), is_live=ledger.is_live)
    else:
        question = replace(question, slugs=slugs_by_id())
    with closing(lake_of_settings()) as lake:
        rows = lake.copy(table.name, file, question)
    return require_rows(table, rows, bounds)


def _deleted_months(span: Range) -> list[date]:
    """Return the months in a span that the lake alone has. Raises `EventsDeletedError` for months that nothing has."""
    gone = months_gone(span)
    if gone:
        first = month_start(month_after(gone[-1]))
        raise EventsDeletedError(f"Raw events from before {first:%-d %B %Y} were deleted. Give a `start` from then on.")
    return months_deleted(span)


@contextmanager
def _turn() -> Iterator[None]:
    if not _TURN.acquire(blocking=False):
        raise SqlBusyError("Another query is running. Try again in a moment.", retry_after_seconds=2)
    try:
        yield
    finally:
        _TURN.release()
