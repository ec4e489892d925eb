"""Ask a question in SQL: copy the rows that it may see to a folder, and run it over these alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore
from typing import Final

from accounts.domain.scopes import Scope
from accounts.errors import ScopeMissingError
from metering.domain.ledger import Ledger
from metering.lake.domain.questions import CUSTOMER_BOUNDS, Range, SqlAnswer, SqlBounds, require_query
from metering.lake.domain.tables import LakeTable, tables_named
from metering.lake.errors import SqlBusyError
from metering.lake.gateways.sandbox import LoadedTable, Output, run_query
from metering.lake.selectors.copying import columns_of, copy_rows
from metering.lake.selectors.ledger_tables import lake_tables

# A process runs one question of customers at a time, so that its other threads stay free.
_TURN: Final = BoundedSemaphore(1)


def query_as_tenant(
    query: str, *, ledger: Ledger, scopes: frozenset[Scope], span: Range, bounds: SqlBounds = CUSTOMER_BOUNDS
) -> SqlAnswer:
    """Return the answer to a tenant's question over its own rows of one half of the ledger.

    Raises `InvalidSqlError`, `QueryTooLargeError`, `SqlBusyError`, and `ScopeMissingError` if it names a table that
    the key may not read.
    """
    named = tables_named(require_query(query), lake_tables())
    for table in named:
        if table.scope not in scopes:
            raise ScopeMissingError(f"Reading {table.name} needs the scope {table.scope}.")
    with _turn(), TemporaryDirectory(prefix="countinghouse-sql-") as folder:
        tables = [_loaded(table, Path(folder), ledger, span, bounds) for table in named]
        return run_query(query, tables=tables, folder=Path(folder), bounds=bounds)


def query_as_operator(
    query: str, *, span: Range, bounds: SqlBounds, output: Output | None = None, threads: int = 1
) -> SqlAnswer:
    """Return the answer to an operator's question over the rows of all tenants, with the columns `tenant`, `is_live`.

    With an `output` all rows are written to it instead.
    """
    with TemporaryDirectory(prefix="countinghouse-sql-") as folder:
        named = tables_named(require_query(query), lake_tables())
        tables = [_loaded(table, Path(folder), None, span, bounds) for table in named]
        return run_query(query, tables=tables, folder=Path(folder), bounds=bounds, output=output, threads=threads)


def _loaded(table: LakeTable, folder: Path, ledger: Ledger | None, span: Range, bounds: SqlBounds) -> LoadedTable:
    tenant_id, is_live = (ledger.tenant_id, ledger.is_live) if ledger else (None, True)
    file = f"{table.name}.csv"
    rows = copy_rows(table, folder / file, tenant_id=tenant_id, is_live=is_live, span=span, bounds=bounds)
    columns = [(column.name, column.kind) for column in columns_of(table, tenant_id)]
    return LoadedTable(name=table.name, file=file, columns=columns, rows=rows)


@contextmanager
def _turn() -> Iterator[None]:
    if not _TURN.acquire(blocking=False):
        raise SqlBusyError("Another query is running. Try again in a moment.", retry_after_seconds=2)
    try:
        yield
    finally:
        _TURN.release()
