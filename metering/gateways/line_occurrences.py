"""Counting how often a line occurs in a file: exactly, in constant memory, in any order of lines.

An exact count of identical lines needs a record of every line. The records are stored in SQLite's
private temporary database, which uses a fixed page cache, goes to disk only when it outgrows that,
and is deleted with its connection. Lines of one moment are next to each other in it, so a log in
rough order of time uses only the newest pages. Any other log needs more reads; its count is exact too.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from metering.domain.access_log import line_digest

CACHE_KIBIBYTES: Final = 32 * 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_CREATE: Final = """
CREATE TABLE line (second INTEGER, digest BLOB, occurrences INTEGER NOT NULL,
    PRIMARY KEY (second, digest)) WITHOUT ROWID"""
_FORGET: Final = "DELETE FROM line WHERE second < (SELECT max(second) FROM line) - ?"
_COUNT: Final = """
INSERT INTO line VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET occurrences = occurrences + 1 RETURNING occurrences"""


class OccurrenceCounter:
    """Counts the lines of one file. Use it in a `with` statement, or close it."""

    def __init__(self) -> None:
        # The empty name is SQLite's own for a private temporary database.
        self._connection = sqlite3.connect("", isolation_level=None)
        for pragma in (
            f"cache_size = -{CACHE_KIBIBYTES}",
            "journal_mode = OFF",
            "synchronous = OFF",
            "temp_store = FILE",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(_CREATE)
        self._connection.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything. It cannot be used afterwards."""
        self._connection.close()

    def forget_before_last(self, span: timedelta) -> None:
        """Forget the lines that are older than the latest one by more than `span`."""
        self._connection.execute(_FORGET, (span // _SECOND,))

    def count(self, line: bytes, request_time: datetime) -> int:
        """Count `line` and return how often it has occurred so far, from 1.

        `request_time` is the line's own: identical lines have the same one.
        """
        second = (request_time - _EPOCH) // _SECOND
        with closing(self._connection.execute(_COUNT, (second, line_digest(line)))) as cursor:
            (occurrences,) = cursor.fetchone()
        assert isinstance(occurrences, int), "a count is a whole number"
        return occurrences
