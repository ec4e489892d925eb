"""A question in SQL: its bounds, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from metering.lake.errors import InvalidSqlError

QUERY_CHARACTERS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class SqlBounds:
    """What one question may take: rows and bytes read and returned, memory, and seconds."""

    rows_read_max: int
    bytes_read_max: int
    rows_max: int
    bytes_max: int
    memory_mib: int
    seconds: int
    spill_mib: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """The span of time that a question is about; open if an end is None."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column of an answer, with its type in DuckDB."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """The rows of an answer. A whole number is an int, any other number a decimal string.

    `is_truncated` says that there were more rows; `rows_read` counts the rows of each table that the question named.
    `from_lake` are the months whose events were read from the lake, and `gone` those whose events are deleted and not
    in the lake either; each by its first day.
    """

    columns: tuple[SqlColumn, ...]
    rows: list[list[object]]
    is_truncated: bool
    rows_read: Mapping[str, int]
    from_lake: tuple[date, ...] = ()
    gone: tuple[date, ...] = ()


# One question of a customer. A tenant with more rows in the span gives `start` and `end`.
CUSTOMER_BOUNDS: Final = SqlBounds(
    rows_read_max=500_000,
    bytes_read_max=512 * 2**20,
    rows_max=10_000,
    bytes_max=4 * 2**20,
    memory_mib=256,
    seconds=10,
)


def require_query(query: str) -> str:
    """Return the query if it can be one. Raises `InvalidSqlError`."""
    if not query.strip():
        raise InvalidSqlError("The query is empty.")
    if len(query) > QUERY_CHARACTERS_MAX:
        raise InvalidSqlError(f"A query has at most {QUERY_CHARACTERS_MAX} characters.")
    if "\0" in query:
        raise InvalidSqlError("A query does not contain the NUL character.")
    return query
