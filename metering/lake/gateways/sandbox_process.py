"""The process in which DuckDB runs one question. It is started as a file, and imports nothing of this project.

It reads one JSON object from its standard input (`Order` in `metering.lake.gateways.sandbox` writes it), loads the
files that the order names into a database of its own, locks DuckDB, and only then looks at the query. It prints one
JSON object. The process ends itself at its limits of processor time and memory; whoever started it ends it at its
deadline.

What keeps a query in: DuckDB may open no file, socket or extension (`enable_external_access`), Python's variables are
no tables (`python_enable_replacements`), and neither setting can be changed back (`lock_configuration`). The database
is opened read-only, and only one SELECT is run. The process has an empty environment and no connection to PostgreSQL,
so there would be nothing behind DuckDB's walls either.
"""

import json
import os
import resource
import sys
from typing import Any

import duckdb

DATABASE = "rows.duckdb"
BYTES_OF_A_MIB = 2**20
# What the interpreter and DuckDB's own code take beside its `memory_limit`.
OTHER_MEMORY_MIB = 1536
DETAIL_CHARACTERS_MAX = 600
WHOLE_NUMBERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
# By the name of the caller's error class.
INVALID = "invalid_sql"
TOO_LARGE = "query_too_large"


class SqlRefusedError(Exception):
    """The query is not run, or was ended. `code` is the API's."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Return the rows that the order asks for, or the reason why there are none."""
    try:
        load(order)
        with locked(order) as server:
            relation = selected(server, order["query"])
            return written(relation, order) if order["output"] else shown(relation, order)
    except SqlRefusedError as error:
        return {"code": error.code, "detail": str(error)}
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"code": TOO_LARGE, "detail": "The query needs more memory than one may take."}
    except (duckdb.Error, UnicodeError, ValueError, RuntimeError) as error:
        return {"code": INVALID, "detail": " ".join(str(error).split())[:DETAIL_CHARACTERS_MAX]}


def load(order: dict[str, Any]) -> None:
    """Load each file of rows into a table of the database. A file is deleted once it is loaded."""
    with duckdb.connect(DATABASE, config=settings_of(order)) as server:
        server.execute("SET TimeZone = 'UTC'")
        for table in order["tables"]:
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in table["columns"])
            server.execute(f"CREATE TABLE {quoted(table['name'])} ({columns})")
            for file in table["files"]:
                server.execute(f"INSERT INTO {quoted(table['name'])} {rows_of(file, table['columns'])}")
                os.unlink(file)  # noqa: PTH108 - the process imports little


def rows_of(file: str, columns: list[list[str]]) -> str:
    """Return the SELECT that reads a file with these columns."""
    if file.endswith(".parquet"):
        return f"SELECT {', '.join(quoted(name) for name, _ in columns)} FROM read_parquet('{file}')"
    kinds = ", ".join(f"{quoted(name)}: '{kind}'" for name, kind in columns)
    return (
        f"SELECT * FROM read_csv('{file}', columns = {{{kinds}}}, auto_detect = false, header = false, delim = ',',"
        " quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, max_line_size = 4194304)"
    )


def settings_of(order: dict[str, Any]) -> dict[str, Any]:
    """Return DuckDB's limits: one thread, bounded memory, and temporary files of a bounded size, or none."""
    return {
        "threads": order["threads"],
        "memory_limit": f"{order['memory_mib']}MiB",
        "max_temp_directory_size": f"{order['spill_mib']}MiB",
        "temp_directory": "spill" if order["spill_mib"] else "",
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "allow_persistent_secrets": False,
        "allow_community_extensions": False,
    }


def locked(order: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """Open the database read-only, close every way out, and return it. Only the file of the output may be written."""
    server = duckdb.connect(DATABASE, read_only=True, config=settings_of(order))
    server.execute("SET TimeZone = 'UTC'")
    server.execute("SET python_enable_replacements = false")
    if order["output"]:
        place = order["output"]["file"].replace("'", "''")
        server.execute(f"SET allowed_paths = ['{place}']")
    server.execute("SET enable_external_access = false")
    server.execute("SET lock_configuration = true")
    return server


def selected(server: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation:
    """Return the relation of a query that is one SELECT. Raises `SqlRefusedError` for any other."""
    query.encode()  # a text that is no Unicode raises here
    statements = server.extract_statements(query)
    if len(statements) != 1:
        raise SqlRefusedError(INVALID, f"Send one statement, not {len(statements)}.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise SqlRefusedError(INVALID, "Only SELECT is run here: nothing can be changed, attached, set or installed.")
    relation = server.sql(statements[0])
    if relation is None:
        raise SqlRefusedError(INVALID, "The statement has no rows.")
    return relation


def shown(relation: duckdb.DuckDBPyRelation, order: dict[str, Any]) -> dict[str, Any]:
    """Return the rows up to the limits, each value in the form of JSON."""
    kinds = [str(kind) for kind in relation.types]
    texts = relation.limit(order["rows_max"] + 1).project("COLUMNS(*)::VARCHAR")
    rows: list[list[Any]] = []
    size = 0
    for row in texts.iter_rows():
        size += sum(len(text) + 3 for text in row if text is not None) + 5 * len(row)
        if size > order["bytes_max"]:
            raise SqlRefusedError(TOO_LARGE, "The answer is too large. Select fewer columns or rows, or sum them up.")
        rows.append([plain(text, kind) for text, kind in zip(row, kinds, strict=True)])
    columns = [{"name": name, "kind": kind} for name, kind in zip(relation.columns, kinds, strict=True)]
    return {"columns": columns, "rows": rows[: order["rows_max"]], "is_truncated": len(rows) > order["rows_max"]}


def written(relation: duckdb.DuckDBPyRelation, order: dict[str, Any]) -> dict[str, Any]:
    """Write all rows to the file of the output."""
    columns = [{"name": name, "kind": str(kind)} for name, kind in zip(relation.columns, relation.types, strict=True)]
    if order["output"]["format"] == "parquet":
        relation.write_parquet(order["output"]["file"], compression="zstd")
    else:
        relation.write_csv(order["output"]["file"], header=True)
    return {"columns": columns, "rows": [], "is_truncated": False}


def plain(text: str | None, kind: str) -> Any:
    """Return a value of an answer: a whole number or a truth as such, anything else as a text."""
    if text is None or kind == "VARCHAR":
        return text
    if kind in WHOLE_NUMBERS:
        return int(text)
    if kind == "BOOLEAN":
        return text == "true"
    if kind.startswith("DECIMAL") and "." in text:
        return text.rstrip("0").rstrip(".")
    if kind == "TIMESTAMP WITH TIME ZONE":
        return text.replace(" ", "T").replace("+00", "Z")
    return text


def quoted(name: str) -> str:
    """Return a name as DuckDB reads it, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def limit_process(order: dict[str, Any]) -> None:
    """Set the limits of this process, and let it give way to all others."""
    memory = (order["memory_mib"] + OTHER_MEMORY_MIB) * BYTES_OF_A_MIB
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (order["seconds"] * order["threads"] + 1,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    limit_process(given)
    json.dump(run(given), sys.stdout)
