"""Send SQL to PostgreSQL, for statements that the ORM cannot express. All higher apps use this module.

A statement is a constant of the module that sends it. It names its parameters as `%(name)s`, and rows are passed as one
JSON parameter, or, for many large ones, as an array per column.
"""

import re
import select
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
import psycopg
from django.db import connection

from accounts.database.base import BinaryArray, raw_cursor
from accounts.database.binary import Parameter
from accounts.tracing import statement_span

_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s")
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


def fetch_all(statement: str, parameters: Mapping[str, object] = _NOTHING) -> list[tuple[Any, ...]]:
    """Run one statement with its parameters sent separately, prepared at its first use on a connection.

    Django's own cursors bind on the client, which parses a batch of events twice and plans it again each time;
    psycopg's own read a statement of more than 4,096 characters again each time. Errors are Django's; outside of a
    transaction the statement commits by itself.
    """
    text, names = _numbered(statement)
    with connection.wrap_database_errors, raw_cursor() as cursor, statement_span(text):
        cursor.execute(text, [parameters[name] for name in names], prepare=True)
        return cursor.fetchall() if cursor.description else []


def copy_out(statement: str, parameters: Mapping[str, object], write: Callable[[bytes], object]) -> int:
    """Run a `COPY … TO STDOUT`, pass each block of it to `write`, and return the number of rows.

    The server takes no parameters for COPY, so psycopg writes them into the statement.
    """
    with connection.wrap_database_errors, raw_cursor(), statement_span(statement):
        cursor = psycopg.ClientCursor(connection.connection)
        with cursor.copy(statement, parameters) as copy:
            for block in copy:
                write(bytes(block))
        return cursor.rowcount


def drop_dead_connection() -> None:
    """Close the kept connection if its server has gone, so that the first request after a restart works.

    On an idle connection there is nothing to read unless the server has closed it. So a check by the operating system
    is enough, without a message to the server. Only if something can be read, the connection is tried.
    """
    raw = connection.connection
    if raw is None or raw.closed or connection.in_atomic_block:
        return
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN)
    if poll.poll(0) and not connection.is_usable():
        connection.close()


def as_json(value: object) -> str:
    """Return a parameter for `jsonb_to_recordset` and the like. A decimal becomes a number with all its digits."""
    return _ENCODER.encode(value).decode()


def sendable(parameter: Parameter) -> BinaryArray | str:
    """Return an array of `accounts.database.binary` as a parameter of a statement. The statement names its type."""
    content, is_binary = parameter
    return BinaryArray(content) if is_binary else content.decode()


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """Return a statement with PostgreSQL's own placeholders, and the names of its parameters in their order."""
    names = tuple(dict.fromkeys(_PLACEHOLDER.findall(statement)))
    numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
    text = _PLACEHOLDER.sub(lambda placeholder: numbers[placeholder[1]], statement).replace("%%", "%")
    return text, names
