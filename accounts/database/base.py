"""Django's PostgreSQL, whose server is told before each statement whose rows that statement reaches.

It is told only where that has changed since the connection's last statement, so requests of one kind add no round trip.
Behind a pooler a server's session is shared with strangers: there it is told within each transaction, and a statement
outside of one is sent together with what it reaches, in one round trip and one transaction.
"""

from typing import Any, Final, cast

import psycopg
from django.db import connection
from django.db.backends.postgresql.base import Cursor
from django.db.backends.postgresql.base import DatabaseWrapper as PostgresWrapper
from psycopg.pq import TransactionStatus

from accounts.domain.reach import NOTHING, Reach, current_reach
from accounts.tracing import is_traced, trace_django_statement

TELL_SESSION: Final = "SELECT set_config('countinghouse.way', $1, false), set_config('countinghouse.tenant', $2, false)"
TELL_TRANSACTION: Final = TELL_SESSION.replace("false", "true")


class _ToldFirst:
    """A cursor that tells the reach and runs its statement in one transaction, where none is open."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Send both at once; the answer is the statement's own."""
        connection: psycopg.Connection[Any] = self.connection  # type: ignore[attr-defined]
        if not connection.autocommit:
            return super().execute(query, params, **options)  # type: ignore[misc]
        with connection.pipeline():
            tell(connection, TELL_TRANSACTION, current_reach())
            return super().execute(query, params, **options)  # type: ignore[misc]


class PooledCursor(_ToldFirst, Cursor):
    """Django's cursor behind a pooler."""


class PooledRawCursor(_ToldFirst, psycopg.RawCursor[Any]):
    """A cursor with PostgreSQL's own placeholders behind a pooler."""


class DatabaseWrapper(PostgresWrapper):
    """A connection that knows what its server was told last; None if that is not known."""

    _told: Reach | None = NOTHING

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if is_traced():
            self.execute_wrappers.append(trace_django_statement)

    @property
    def is_pooled(self) -> bool:
        """Return whether a transaction pooler stands between us and the server."""
        return bool(self.settings_dict["DISABLE_SERVER_SIDE_CURSORS"])

    def get_connection_params(self) -> dict[str, Any]:
        """Choose the cursor that every statement of Django's goes through."""
        parameters: dict[str, Any] = super().get_connection_params()
        return parameters | {"cursor_factory": PooledCursor} if self.is_pooled else parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A new session reaches nothing."""
        self._told = NOTHING
        return super().get_new_connection(conn_params)

    def create_cursor(self, name: str | None = None) -> Any:
        """Tell before Django's own statements."""
        self.tell_reach()
        return super().create_cursor(name)

    def raw_cursor(self) -> psycopg.RawCursor[Any]:
        """Return a cursor with PostgreSQL's own placeholders, after telling."""
        self.ensure_connection()
        self.tell_reach()
        return (PooledRawCursor if self.is_pooled else psycopg.RawCursor)(self.connection)

    def tell_reach(self) -> None:
        """Tell the server whose rows are reached from now on, unless it knows; after an error it hears nothing."""
        reach = current_reach()
        if reach == self._told or (self.is_pooled and self.get_autocommit()):
            return
        if self.connection.pgconn.transaction_status == TransactionStatus.INERROR:
            return
        with self.wrap_database_errors:
            tell(self.connection, TELL_TRANSACTION if self.is_pooled else TELL_SESSION, reach)
        self._told = reach

    def _commit(self) -> Any:
        if self.is_pooled:
            self._told = None
        return super()._commit()  # type: ignore[misc] # the stubs leave Django's own out

    def _rollback(self) -> Any:
        self._told = None  # what was told within the transaction is taken back, too
        return super()._rollback()  # type: ignore[misc] # as above

    def _savepoint_rollback(self, sid: str) -> None:
        self._told = None
        super()._savepoint_rollback(sid)  # type: ignore[misc] # as above


def raw_cursor() -> psycopg.RawCursor[Any]:
    """Return a cursor of the one database."""
    return cast("DatabaseWrapper", connection).raw_cursor()


def tell(server: psycopg.Connection[Any], statement: str, reach: Reach) -> None:
    """Send a reach to a server."""
    tenant = "" if reach.tenant_id is None else str(reach.tenant_id)
    psycopg.RawCursor(server).execute(statement, [reach.way_in.value, tenant], prepare=True)
