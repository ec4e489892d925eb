"""DuckDB in a process of its own, which is ended at its deadline whatever it does."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from metering.errors import QueryTooLargeError
from metering.lake.domain.questions import SqlAnswer, SqlBounds, SqlColumn
from metering.lake.errors import InvalidSqlError

PROGRAM: Final = Path(__file__).with_name("sandbox_process.py")
TOO_LONG: Final = "The query takes too long, or more memory than one may take."
_ERRORS: Final = {"invalid_sql": InvalidSqlError, "query_too_large": QueryTooLargeError}


@dataclass(frozen=True, slots=True)
class LoadedTable:
    """Files in the sandbox's folder, and the table that they become: names and types of its columns.

    A file whose name ends in `.parquet` has columns by name, any other is CSV with the columns in this order.
    """

    name: str
    files: Sequence[str]
    columns: Sequence[tuple[str, str]]
    rows: int


@dataclass(frozen=True, slots=True)
class Output:
    """The file that all rows are written to, in the format `csv` or `parquet`, instead of being returned."""

    file: Path
    format: str


def run_query(
    query: str,
    *,
    tables: Sequence[LoadedTable],
    folder: Path,
    bounds: SqlBounds,
    output: Output | None = None,
    threads: int = 1,
) -> SqlAnswer:
    """Run a query over the tables in a process of its own, in a folder that holds nothing else.

    Raises `InvalidSqlError` with DuckDB's own words, and `QueryTooLargeError` at a limit.
    """
    order = {
        "query": query,
        "tables": [{"name": table.name, "files": table.files, "columns": table.columns} for table in tables],
        "output": output and {"file": str(output.file), "format": output.format},
        "threads": threads,
        "memory_mib": bounds.memory_mib,
        "spill_mib": bounds.spill_mib,
        "rows_max": bounds.rows_max,
        "bytes_max": bounds.bytes_max,
        "seconds": bounds.seconds,
    }
    result = _run(order, folder, bounds.seconds)
    if "code" in result:
        raise _ERRORS[result["code"]](result["detail"])
    return SqlAnswer(
        columns=tuple(SqlColumn(column["name"], column["kind"]) for column in result["columns"]),
        rows=result["rows"],
        is_truncated=result["is_truncated"],
        rows_read={table.name: table.rows for table in tables},
    )


def _run(order: Mapping[str, object], folder: Path, seconds: int) -> dict[str, Any]:
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-B", str(PROGRAM)],
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=seconds,
            cwd=folder,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise QueryTooLargeError(TOO_LONG) from error
    try:
        result: dict[str, Any] = json.loads(ended.stdout)
    except ValueError as error:  # it was ended at a limit of the system
        raise QueryTooLargeError(TOO_LONG) from error
    return result
