"""A connection beside Django's for an event loop: what is said in one trip is sent together.

Django's connections belong to threads, one request each. A line belongs to the loop, and serves one exchange at a time.
Its session reaches what its way in opens, for as long as it is open. Whatever goes wrong, the line is closed and opened
again at its next use: no one knows what a broken one has done.
"""

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, TypeVar

import psycopg
from django.conf import settings
from django.db import connection as django_connection
from psycopg import errors
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from accounts.database.base import SET_IN_SESSION, set_reach
from accounts.database.binary import Parameter
from accounts.domain.reach import Reach, WayIn

# Longer than the server's own limit on a statement, so that this one is reached only if the server does not respond.
GRACE_SECONDS: Final = 2
LOCK_SECONDS: Final = 1
# Statements of a line look rows up by their keys: planned once, for a table of any size.
_SESSION: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "lock_timeout": f"{LOCK_SECONDS}s",
}

Step = bytes | tuple[bytes, bytes, Sequence[Parameter]]
"""A statement without parameters; or the name of a prepared statement, its text and its parameters."""
Answer = TypeVar("Answer")
Exchange = Generator[tuple[Step, ...], list[bytes | None], Answer]
"""What is said to the database: yields the steps of one trip, is sent the first value of each, returns its answer."""


class LineBrokenError(psycopg.OperationalError):
    """The server did not respond in time, or hung up."""


class Line:
    """A connection for one exchange at a time, opened at its first use and again after it broke."""

    def __init__(self, way_in: WayIn) -> None:
        self._reach = Reach(way_in=way_in)
        self._connection: psycopg.Connection[Any] | None = None
        self._descriptor = -1
        self._prepared: set[bytes] = set()
        self._results: list[PGresult] = []
        self._arrived: asyncio.Future[None] | None = None

    async def hold(self, exchange: Exchange[Answer]) -> Answer:
        """Hold an exchange. Raises psycopg's errors, after which nothing that was not committed is stored."""
        try:
            steps = next(exchange)
            while True:
                try:
                    values = await self._run(steps)
                except psycopg.Error as error:
                    await self._leave_transaction()
                    steps = exchange.throw(error)
                else:
                    steps = exchange.send(values)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    @property
    def is_open(self) -> bool:
        """Return whether the line is connected, as far as is known."""
        return self._connection is not None

    def close(self) -> None:
        """Close the connection. The server rolls back what was not committed."""
        raw, self._connection = self._connection, None
        if raw is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)  # by its number of old: a broken connection has closed its socket itself
        loop.remove_writer(self._descriptor)
        raw.close()
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_exception(LineBrokenError("The server hung up."))

    async def _run(self, steps: Sequence[Step]) -> list[bytes | None]:
        """Send all steps in one trip; return each one's first value. Raises the error of the first that fails."""
        pgconn = await self._open()
        is_new = [not isinstance(step, bytes) and step[0] not in self._prepared for step in steps]
        try:
            self._results, self._arrived = [], asyncio.get_running_loop().create_future()
            for step, has_to_prepare in zip(steps, is_new, strict=True):
                _send(pgconn, step, has_to_prepare=has_to_prepare)
            pgconn.pipeline_sync()
            self._write()
            async with asyncio.timeout(settings.WEB_STATEMENT_SECONDS + GRACE_SECONDS):
                await self._arrived
        except TimeoutError as error:
            self.close()
            raise LineBrokenError("The server did not respond in time.") from error
        except BaseException:  # also if the loop ends
            self.close()
            raise
        finally:
            self._arrived = None
        failed = next((result for result in self._results if result.status == ExecStatus.FATAL_ERROR), None)
        if failed is not None:
            if any(is_new) or pgconn.status != ConnStatus.OK:
                self.close()  # no one knows here what is prepared by now
            raise errors.error_from_result(failed)
        self._prepared.update(step[0] for step in steps if not isinstance(step, bytes))
        return self._values(is_new)

    def _values(self, is_new: Sequence[bool]) -> list[bytes | None]:
        results = iter(self._results)
        values: list[bytes | None] = []
        for has_prepared in is_new:
            if has_prepared:
                next(results)
            result = next(results)
            values.append(result.get_value(0, 0) if result.ntuples else None)
        return values

    async def _leave_transaction(self) -> None:
        """Roll back what a failed trip has left open."""
        raw = self._connection
        if raw is not None and raw.pgconn.transaction_status != TransactionStatus.IDLE:
            try:
                await self._run((b"ROLLBACK",))
            except psycopg.Error:
                self.close()

    async def _open(self) -> PGconn:
        if self._connection is None:
            loop = asyncio.get_running_loop()
            raw = await loop.run_in_executor(None, _connect, self._reach)
            self._connection, self._prepared, self._descriptor = raw, set(), raw.pgconn.socket
            loop.add_reader(self._descriptor, self._read)
        return self._connection.pgconn

    def _write(self) -> None:
        """Send what is left to send, now and whenever there is room."""
        assert self._connection is not None, "only an open line is written to"
        pgconn, loop = self._connection.pgconn, asyncio.get_running_loop()
        if pgconn.flush():
            loop.add_writer(self._descriptor, self._guarded, self._write)
        else:
            loop.remove_writer(self._descriptor)

    def _read(self) -> None:
        self._guarded(self._take)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except psycopg.Error:
            self.close()

    def _take(self) -> None:
        """Take what has arrived. Between exchanges only a server that hangs up says anything."""
        assert self._connection is not None, "only an open line is read from"
        pgconn = self._connection.pgconn
        pgconn.consume_input()
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if self._arrived is None:
                return
            if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                if not self._arrived.done():
                    self._arrived.set_result(None)
                return
            if result is not None:
                self._results.append(result)


def _send(pgconn: PGconn, step: Step, *, has_to_prepare: bool) -> None:
    if isinstance(step, bytes):
        pgconn.send_query_params(step, None)
        return
    name, statement, parameters = step
    if has_to_prepare:
        pgconn.send_prepare(name, statement)
    pgconn.send_query_prepared(name, [value for value, _ in parameters], [form for _, form in parameters])


def _connect(reach: Reach) -> psycopg.Connection[Any]:
    """Open a session like Django's, with the settings and the reach of a line. Blocks: called in a thread."""
    parameters = django_connection.get_connection_params()
    taken = {"cursor_factory", "context", "prepare_threshold", "server_side_binding", "isolation_level"}
    wanted = {name: value for name, value in parameters.items() if name not in taken}
    bounds = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    wanted["options"] = f"{wanted.get('options') or ''} {bounds}".strip()
    raw: psycopg.Connection[Any] = psycopg.connect(**wanted, autocommit=True)
    try:
        set_reach(raw, SET_IN_SESSION, reach)
        raw.pgconn.enter_pipeline_mode()
    except psycopg.Error:
        raw.close()
        raise
    return raw
