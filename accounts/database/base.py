"""Django's PostgreSQL backend, which sends the current reach to the server before each statement.

The reach is sent only if it has changed since the connection's last statement, so requests of one kind add no round
trip. Behind a pooler, a server's session is shared with other clients: there the reach is sent within each transaction,
and a statement outside of one is sent together with its reach, in one round trip and one transaction.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, cast

import psycopg
from django.db import connection
from django.db.backends.postgresql.base import Cursor
from django.db.backends.postgresql.base import DatabaseWrapper as PostgresWrapper
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg.adapt import Dumper
from psycopg.pq import Format, TransactionStatus

from accounts.domain.reach import NOTHING, Reach, current_reach
from accounts.tracing import is_traced, trace_django_statement

SET_IN_SESSION: Final = (
    "SELECT set_config('countinghouse.way', $1, false), set_config('countinghouse.tenant', $2, false)"
)
SET_IN_TRANSACTION: Final = SET_IN_SESSION.replace("false", "true")


class BinaryArray(bytes):
    """An array in PostgreSQL's binary form (`accounts.database.binary`)."""


class _AsItIs(Dumper):
    """Sends a `BinaryArray`. The statement has to name its type."""

    format = Format.BINARY

    def dump(self, obj: Any) -> Any:
        return obj


class _ReachFirst:
    """A cursor that sends the reach and its statement in one transaction, if none is open."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Send both at once. The result is the statement's own."""
        connection: psycopg.Connection[Any] = self.connection  # type: ignore[attr-defined]
        if not connection.autocommit:
            return super().execute(query, params, **options)  # type: ignore[misc]
        with connection.pipeline():
            set_reach(connection, SET_IN_TRANSACTION, current_reach())
            return super().execute(query, params, **options)  # type: ignore[misc]


class PooledCursor(_ReachFirst, Cursor):
    """Django's cursor behind a pooler."""


class PooledRawCursor(_ReachFirst, psycopg.RawCursor[Any]):
    """A cursor with PostgreSQL's own placeholders behind a pooler."""


class InstantLoader(BaseTzLoader):
    """A reader of instants in UTC: a third of the time that the driver's own takes for the texts of all zones."""

    timezone = UTC

    def load(self, data: Any) -> datetime:
        """Return the instant; what is not written in UTC, or is out of Python's range, is left to the driver."""
        return _instant_in_utc(bytes(data)) or super().load(data)


@lru_cache(maxsize=4096)  # periods and moments of computation come again in each row of a batch
def _instant_in_utc(text: bytes) -> datetime | None:
    """Return the instant of a text in UTC; None if it is another text, or out of Python's range."""
    if not text.endswith(b"+00"):
        return None
    try:
        return datetime.fromisoformat(text.decode())
    except ValueError:
        return None


class DatabaseWrapper(PostgresWrapper):
    """A connection that remembers the reach it sent last; None if that is not known."""

    _sent_reach: Reach | None = NOTHING

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if is_traced():
            self.execute_wrappers.append(trace_django_statement)

    @property
    def is_pooled(self) -> bool:
        """Return whether a transaction pooler is between us and the server."""
        return bool(self.settings_dict["DISABLE_SERVER_SIDE_CURSORS"])

    def get_connection_params(self) -> dict[str, Any]:
        """Return the parameters, with the cursor class that all of Django's statements use."""
        parameters: dict[str, Any] = super().get_connection_params()
        return parameters | {"cursor_factory": PooledCursor} if self.is_pooled else parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a session, which reaches nothing yet."""
        self._sent_reach = NOTHING
        opened = super().get_new_connection(conn_params)
        opened.adapters.register_loader("timestamptz", InstantLoader)
        opened.adapters.register_dumper(BinaryArray, _AsItIs)
        return opened

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor, after sending the reach."""
        self.send_reach()
        return super().create_cursor(name)

    def raw_cursor(self) -> psycopg.RawCursor[Any]:
        """Return a cursor with PostgreSQL's own placeholders, after sending the reach."""
        self.ensure_connection()
        self.send_reach()
        return (PooledRawCursor if self.is_pooled else psycopg.RawCursor)(self.connection)

    def send_reach(self) -> None:
        """Send the current reach unless the server has it. A transaction that has failed takes no statement."""
        reach = current_reach()
        if reach == self._sent_reach or (self.is_pooled and self.get_autocommit()):
            return
        if self.connection.pgconn.transaction_status == TransactionStatus.INERROR:
            return
        with self.wrap_database_errors:
            set_reach(self.connection, SET_IN_TRANSACTION if self.is_pooled else SET_IN_SESSION, reach)
        self._sent_reach = reach

    def _commit(self) -> Any:
        if self.is_pooled:
            self._sent_reach = None
        return super()._commit()  # type: ignore[misc] # the stubs leave Django's own out

    def _rollback(self) -> Any:
        self._sent_reach = None  # a reach that was set within the transaction is rolled back, too
        return super()._rollback()  # type: ignore[misc] # as above

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)  # type: ignore[misc] # as above
        self._sent_reach = None  # also what was sent for the statement that rolled back


def raw_cursor() -> psycopg.RawCursor[Any]:
    """Return a cursor of the one database."""
    return cast("DatabaseWrapper", connection).raw_cursor()


def set_reach(server: psycopg.Connection[Any], statement: str, reach: Reach) -> None:
    """Set the reach of a server's session or transaction."""
    tenant = "" if reach.tenant_id is None else str(reach.tenant_id)
    psycopg.RawCursor(server).execute(statement, [reach.way_in.value, tenant], prepare=True)
