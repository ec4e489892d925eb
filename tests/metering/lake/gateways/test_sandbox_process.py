"""The sandbox's own walls. Most tests run it in this process, in which a query takes a millisecond."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from metering.errors import QueryTooLargeError
from metering.lake.domain.questions import CUSTOMER_BOUNDS
from metering.lake.gateways import sandbox_process
from metering.lake.gateways.sandbox import Output, run_query

ORDER: dict[str, Any] = {
    "tables": [
        {
            "name": "events",
            "files": ["events.csv"],
            "columns": [["id", "VARCHAR"], ["at", "TIMESTAMPTZ"], ["quantity", "DECIMAL(38,9)"], ["user", "VARCHAR"]],
        }
    ],
    "output": None,
    "threads": 1,
    "memory_mib": 64,
    "spill_mib": 0,
    "rows_max": 3,
    "bytes_max": 10_000,
    "seconds": 5,
}
# Each is a way out of the own rows that DuckDB has somewhere.
WAYS_OUT = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/tmp/x.parquet')",
    "SELECT * FROM read_json('https://example.com/')",
    "SELECT * FROM postgres_scan('', 'public', 'event')",
    "SELECT * FROM order",
    "SELECT * FROM given",
    "SELECT getenv('PATH')",
    "ATTACH '/tmp/other.duckdb' AS other",
    "COPY events TO '/tmp/events.csv'",
    "COPY (SELECT 1) TO '/tmp/events.csv'",
    "EXPORT DATABASE '/tmp/all'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "SET memory_limit = '20GB'",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "CALL pragma_version()",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE MACRO out() AS 1",
    "INSERT INTO events SELECT * FROM events",
    "DELETE FROM events",
    "UPDATE events SET quantity = 0",
    "DROP TABLE events",
    "SELECT 1; SELECT 2",
    "SELECT 1; ATTACH ':memory:' AS other",
    "EXPLAIN SELECT 1",
    "PREPARE p AS SELECT 1",
    "BEGIN",
    "CHECKPOINT",
    "SELECT * FROM query('COPY (SELECT 1) TO ''/tmp/x''')",
    "SELECT",
    "",
    " ; ",
    "SELECT * FROM nowhere, events",
    "SELECT '\ud83d' || chr(0) || x",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("sandbox")
        patch.chdir(folder)
        (folder / "events.csv").write_text(
            '"a\n""b"",",2026-03-10 12:00:00.5+00,12345678901.100000000,\n,,0.000000001,""\n'
        )
        sandbox_process.load(ORDER)
        with sandbox_process.locked(ORDER) as opened:
            yield opened


def shown(server: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    return sandbox_process.shown(sandbox_process.selected(server, query), ORDER)


def test_values_arrive_as_they_were(server: duckdb.DuckDBPyConnection) -> None:
    answer = shown(server, "SELECT *, 1 AS whole, 2 AS whole, true AS yes FROM events")
    assert answer["rows"] == [
        ['a\n"b",', "2026-03-10T12:00:00.5Z", "12345678901.1", None, 1, 2, True],
        [None, None, "0.000000001", "", 1, 2, True],
    ]
    assert [column["name"] for column in answer["columns"]][4:] == ["whole", "whole", "yes"]


@pytest.mark.parametrize("query", WAYS_OUT)
def test_there_is_no_way_out(server: duckdb.DuckDBPyConnection, query: str) -> None:
    with pytest.raises((sandbox_process.SqlRefusedError, duckdb.Error, UnicodeError)):
        shown(server, query)


def test_the_rig_sees_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with duckdb.connect() as unlocked:
        assert shown(unlocked, f"SELECT * FROM read_csv('{tmp_path}/secret.csv')")["rows"] == [[1]]


def test_catalogs_show_only_the_own_tables(server: duckdb.DuckDBPyConnection) -> None:
    assert shown(server, "SELECT table_name FROM information_schema.tables")["rows"] == [["events"]]
    assert shown(server, "SELECT * FROM duckdb_secrets()")["rows"] == []


def test_rows_beyond_the_limit_are_left_out_and_said(server: duckdb.DuckDBPyConnection) -> None:
    answer = shown(server, "SELECT * FROM range(9) ORDER BY 1 DESC")
    assert (answer["rows"], answer["is_truncated"]) == ([[8], [7], [6]], True)
    with pytest.raises(sandbox_process.SqlRefusedError, match="too large"):
        shown(server, "SELECT repeat('x', 20000)")


@pytest.mark.takes_long("it waits for a deadline")
@pytest.mark.parametrize(
    "query",
    [
        "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t",
        "SELECT list(repeat('x', 1000) || i) FROM range(2000000) AS r(i)",
    ],
)
def test_time_and_memory_are_bounded(query: str, tmp_path: Path) -> None:
    with pytest.raises(QueryTooLargeError):
        run_query(query, tables=(), folder=tmp_path, bounds=replace(CUSTOMER_BOUNDS, seconds=1))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_output_is_the_one_file_that_is_written(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    output = Output(tmp_path / f"it's.{form}", form)
    run_query("SELECT 42 AS x", tables=(), folder=folder, bounds=CUSTOMER_BOUNDS, output=output)
    assert duckdb.read_csv(str(output.file)).fetchall() if form == "csv" else output.file.read_bytes()[:4] == b"PAR1"
