"""Counting how often a line was seen in a file: exactly, in constant memory, in any order of lines.

Telling identical lines apart needs a note of every line: no summary of constant size is exact. So
the notes live in SQLite's private temporary database, which stays within a fixed page cache, goes
to disk only when it outgrows that, and vanishes with its connection. Lines of one moment lie next
to each other in it, hence a log that is roughly in order of time touches only its newest pages;
one that is not costs more reading, and counts as exactly.
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
_COUNT: Final = """
INSERT INTO line VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET occurrences = occurrences + 1 RETURNING occurrences"""


class OccurrenceCounter:
    """Counts the lines of one file; to be used in a `with` statement."""

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
        self._connection.close()

    def count(self, line: bytes, request_time: datetime) -> int:
        """Note `line` once more and return how often it has been seen now, from 1.

        `request_time` is the line's own: identical lines have the same one.
        """
        second = (request_time - _EPOCH) // _SECOND
        with closing(self._connection.execute(_COUNT, (second, line_digest(line)))) as cursor:
            (occurrences,) = cursor.fetchone()
        assert isinstance(occurrences, int), "a count is a whole number"
        return occurrences
