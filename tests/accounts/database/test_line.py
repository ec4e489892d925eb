"""A line: values arrive as they were sent, and after an error, a cut or silence it works again."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from accounts.database import binary
from accounts.database.line import Exchange, Line, LineBrokenError
from accounts.domain.reach import WayIn

pytestmark = pytest.mark.django_db(transaction=True)

INSTANT = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
PARAMETERS = [
    binary.of_blobs([b"\x00\xff", None]),
    binary.of_texts(["é\u2028", None, ""]),
    binary.of_jsons([b'{"a":1.50}']),
    binary.of_ints([-(2**63), 2**63 - 1]),
    binary.of_instants([INSTANT]),
    binary.of_uuids([UUID(int=7)]),
    binary.of_bools([True, False]),
    binary.of_decimals([Decimal("1E+2"), Decimal("-0.000000001")]),
    binary.of_texts([]),
    binary.of_int(-3),
]
TYPES = (
    "bytea[]",
    "text[]",
    "jsonb[]",
    "bigint[]",
    "timestamptz[]",
    "uuid[]",
    "boolean[]",
    "numeric[]",
    "text[]",
    "int",
)
SHOWN = (
    '["\\\\x00ff", null]', '["é\u2028", null, ""]', '[{"a": 1.50}]', "[-9223372036854775808, 9223372036854775807]",
    '["1999-12-31T23:59:59.999999+00:00"]', '["00000000-0000-0000-0000-000000000007"]', "[true, false]",
    "[100, -0.000000001]", "[]", "-3",
)  # fmt: skip


def one(statement: bytes, parameters: Any = ()) -> Exchange[bytes | None]:
    [value] = yield ((b"one", statement, parameters) if parameters else statement,)
    return value


def on_line(part: Callable[[Line], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        line = Line(WayIn.INGEST)
        try:
            return await part(line)
        finally:
            line.close()

    return asyncio.run(run())


def test_values_arrive_as_they_were_sent() -> None:
    asked = ", ".join(f"to_jsonb(${number}::{kind})" for number, kind in enumerate(TYPES, 1))
    statement = f"SELECT jsonb_build_array({asked})::text".encode()

    async def twice(line: Line) -> list[bytes | None]:
        return [await line.hold(one(statement, PARAMETERS)) for _ in range(2)]

    assert on_line(twice) == [f"[{', '.join(SHOWN)}]".encode()] * 2


def test_after_an_error_nothing_is_left_open_and_the_line_works() -> None:
    def fails() -> Exchange[str]:
        yield (b"BEGIN",)
        try:
            yield b"CREATE TEMP TABLE t ()", b"SELECT 1/0", b"SELECT 1"
        except psycopg.errors.DivisionByZero:
            [value] = yield (b"SELECT to_regclass('pg_temp.t') IS NULL",)
            return "gone" if value == b"t" else "left"
        return "no error"

    async def part(line: Line) -> list[Any]:
        told = [await line.hold(fails())]
        with pytest.raises(psycopg.errors.UndefinedTable):
            await line.hold(one(b"SELECT * FROM nonesuch WHERE $1::int > 0", [binary.of_int(1)]))
        return [*told, await line.hold(one(b"SELECT $1::int", [binary.of_int(5)]))]

    assert on_line(part) == ["gone", b"5"]


def test_a_cut_line_is_an_outage_once_and_then_works_again() -> None:
    async def part(line: Line) -> bytes | None:
        pid = await line.hold(one(b"SELECT pg_backend_pid()"))
        waiting = asyncio.ensure_future(line.hold(one(b"SELECT pg_sleep(30)")))
        await asyncio.sleep(0)
        await asyncio.to_thread(cut, int(pid or 0))
        with pytest.raises(psycopg.OperationalError):
            await waiting
        pid = await line.hold(one(b"SELECT pg_backend_pid()"))
        await asyncio.to_thread(cut, int(pid or 0))  # between two exchanges, which no one notices
        while line.is_open:
            await asyncio.sleep(0.01)
        return await line.hold(one(b"SELECT current_setting('countinghouse.way')"))

    assert on_line(part) == b"ingest"


def cut(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    connection.close()


def test_a_server_that_says_nothing_is_given_up(settings: Settings) -> None:
    settings.WEB_STATEMENT_SECONDS = -1.8

    async def part(line: Line) -> bytes | None:
        with pytest.raises(LineBrokenError):
            await line.hold(one(b"SELECT pg_sleep(30)"))
        settings.WEB_STATEMENT_SECONDS = 20
        return await line.hold(one(b"SELECT 'again'"))

    assert on_line(part) == b"again"


def test_more_than_the_socket_holds_is_sent_in_pieces() -> None:
    text = "x" * 20_000_000

    async def part(line: Line) -> bytes | None:
        return await line.hold(one(b"SELECT length($1::text[]::text)", [binary.of_texts([text])]))

    assert on_line(part) == b"20000002"
