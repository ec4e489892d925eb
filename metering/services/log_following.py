"""Follow access logs: read what is new in each file of a source, and keep how far it was read.

A pass may be cut off at any moment. The next one, of this process or of another, goes on at the stored position; what
was stored after it is read again and known by the identity of its lines, so each line counts once. Two processes may
follow the same source: the one that is behind reads again what the other has stored. A line without an end is left
until it has one.

The number of equal lines before a line is part of its identity. So a file that is continued by a new process is read
again from its start, without storing anything.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from types import TracebackType
from typing import BinaryIO, Final, Self

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.services.audit import AuditTarget, record_audit
from metering.domain.import_totals import BAD_LINES_KEPT_MAX, ImportTotals
from metering.gateways.line_occurrences import OccurrenceCounter
from metering.gateways.log_lines import LinePosition, LogLine, LogLines, packing_of
from metering.gateways.log_stores import LogStore, StoredLog
from metering.models import LogFile, LogSource
from metering.services.log_requests import AccessLog, RequestReader, batches_of, store_requests

BEGINNING_BYTES: Final = 1024
# Files of which the lines are kept in mind, which takes up to 32 MB each.
READINGS_MAX: Final = 4
# Equal lines have the same time. A new file begins with what is known of the last hour of the one before.
MIND_SPAN: Final = timedelta(hours=1)
# How long before a look at a file it may have been written without being seen.
SLACK: Final = timedelta(seconds=10)
NO_END: Final = "The last line has no line end, so it may be incomplete."


@dataclass(slots=True)
class FollowedLines:
    """What a pass found: lines, requests that are new or known, and lines that were refused."""

    lines: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    refused_lines: list[str] = field(default_factory=list)

    def add(self, name: str, totals: ImportTotals) -> None:
        """Add the totals of a batch."""
        self.lines += totals.lines
        self.accepted += totals.accepted
        self.duplicates += totals.duplicates
        self.refused += totals.bad
        self.refused_lines += [f"{name}, line {line.number}: {line.reason}" for line in totals.bad_lines]


@dataclass(slots=True)
class _Reading:
    """A file that this process has read to `offset_bytes`, in which `lines` lines are."""

    reader: RequestReader
    occurrences: OccurrenceCounter
    generation: int
    offset_bytes: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class _Pass:
    """One look at all files: when it began, what it found, and whether it has to end."""

    as_of: datetime
    is_interrupted: Callable[[], bool]
    found: FollowedLines = field(default_factory=FollowedLines)


def start_following(*, log: AccessLog, actor: Actor, as_of: datetime) -> LogSource:
    """Return the source of the log's location, creating it if needed. Each start leaves an audit entry."""
    with transaction.atomic():
        source, _ = LogSource.objects.get_or_create(
            tenant_id=log.ledger.tenant_id,
            is_live=log.ledger.is_live,
            location=log.name,
            defaults={"started_at": as_of, "read_at": as_of},
        )
        record_audit(
            actor=actor,
            action="access_log.followed",
            tenant_id=log.ledger.tenant_id,
            target=AuditTarget("access_log", "live" if log.ledger.is_live else "test", log.name),
            as_of=as_of,
        )
    return source


class Follower:
    """Follows one source. Use it in a `with` statement."""

    def __init__(self, log: AccessLog, source: LogSource, store: LogStore) -> None:
        self._log = log
        self._source = source
        self._store = store
        self._readings: dict[str, _Reading] = {}
        self._last_of_name: dict[str, OccurrenceCounter] = {}
        self._opened: list[OccurrenceCounter] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._forget_readings(0)

    def read_new(self, *, as_of: datetime, is_interrupted: Callable[[], bool]) -> FollowedLines:
        """Read what is new in each file, or until `is_interrupted` returns true after a batch."""
        look = _Pass(as_of, is_interrupted)
        latest = {row.identity: row for row in LogFile.objects.filter(source=self._source).order_by("generation")}
        for stored in self._store.logs(self._source.started_at - SLACK):
            row = latest.get(stored.identity)
            if row is None or not _is_read(row, stored):
                self._read(row or self._new_row(stored, 0, as_of), stored, look)
            if is_interrupted():
                return look.found
        LogSource.objects.filter(pk=self._source.pk).update(read_at=as_of)
        return look.found

    def _new_row(self, stored: StoredLog, generation: int, as_of: datetime) -> LogFile:
        row, _ = LogFile.objects.get_or_create(
            source=self._source,
            identity=stored.identity,
            generation=generation,
            defaults={"name": stored.name, "read_at": as_of},
        )
        return row

    def _read(self, row: LogFile, stored: StoredLog, look: _Pass) -> None:
        stream = self._store.open(stored)
        if stream is None:
            return
        with stream:
            if not self._store.is_growing:
                self._read_whole(row, stored, stream, look)
                return
            beginning = stream.read(BEGINNING_BYTES)
            stream.seek(0)
            if packing_of(beginning) is not None:
                self._read_whole(row, stored, stream, look)
            else:
                self._read_growing(self._row_now(row, stored, beginning, look.as_of), stored, stream, beginning, look)

    def _row_now(self, row: LogFile, stored: StoredLog, beginning: bytes, as_of: datetime) -> LogFile:
        """Return the row, or the next generation's if the file was cut off or written again since."""
        if stored.size_bytes >= row.offset_bytes and _digest(beginning[: row.beginning_bytes]) == row.beginning:
            return row
        return self._new_row(stored, row.generation + 1, as_of)

    def _read_whole(self, row: LogFile, stored: StoredLog, stream: BinaryIO, look: _Pass) -> None:
        """Read a file that does not grow. If it cannot be read to its end, it is tried again when it has changed."""
        totals = ImportTotals()
        with OccurrenceCounter() as occurrences:
            reader = RequestReader(self._log, occurrences)
            for batch in batches_of(iter(LogLines(stream)), totals):
                store_requests(self._log, reader.requests_in(batch, totals, look.as_of), totals, look.as_of)
                if look.is_interrupted():
                    return
        look.found.add(stored.name, totals)
        row.offset_bytes, row.lines, row.refused = stored.size_bytes, 0, 0
        row.is_whole = not totals.stopped
        row.refused_lines = []
        row.stopped = totals.stopped or (NO_END if totals.unfinished else "")
        _add_totals(row, totals)
        row.name, row.read_at = stored.name, look.as_of
        row.save()

    def _read_growing(self, row: LogFile, stored: StoredLog, stream: BinaryIO, beginning: bytes, look: _Pass) -> None:
        """Read what was added to a file, line by line, and store the position after each batch."""
        reading = self._reading_of(row, stored.name, stream)
        row.name, row.read_at = stored.name, look.as_of
        stream.seek(row.offset_bytes)
        lines = _ended(LogLines(stream, LinePosition(row.lines, row.offset_bytes)))
        while not look.is_interrupted():
            totals = ImportTotals()
            batch = next(batches_of(lines, totals), None)
            if batch:
                store_requests(self._log, reading.reader.requests_in(batch, totals, look.as_of), totals, look.as_of)
                reading.offset_bytes, reading.lines = batch[-1].bytes_end, batch[-1].number
                look.found.add(stored.name, totals)
            if not self._store_position(row, reading, totals, beginning):
                del self._readings[stored.identity]  # another process was faster; its position is read next time
                return
            if not batch or totals.stopped:
                return

    def _store_position(self, row: LogFile, reading: _Reading, totals: ImportTotals, beginning: bytes) -> bool:
        """Store how far a file was read, unless another process has done so meanwhile."""
        before = row.offset_bytes
        row.offset_bytes = reading.offset_bytes
        row.beginning_bytes = min(len(beginning), row.offset_bytes)
        row.beginning = _digest(beginning[: row.beginning_bytes])
        row.stopped = totals.stopped
        _add_totals(row, totals)
        values = {name: getattr(row, name) for name in _POSITION}
        return LogFile.objects.filter(pk=row.pk, offset_bytes=before).update(**values) == 1

    def _reading_of(self, row: LogFile, name: str, stream: BinaryIO) -> _Reading:
        """Return the reader of a file that knows its lines up to the stored position."""
        reading = self._readings.pop(row.identity, None)
        if reading is None or (reading.generation, reading.offset_bytes) != (row.generation, row.offset_bytes):
            reading = self._begin(row, name, stream)
        self._readings[row.identity] = reading
        self._last_of_name.pop(name, None)
        self._last_of_name[name] = reading.occurrences
        self._forget_readings()
        return reading

    def _begin(self, row: LogFile, name: str, stream: BinaryIO) -> _Reading:
        occurrences = self._last_of_name.get(name) if row.offset_bytes == 0 else None
        if occurrences is None:
            occurrences = OccurrenceCounter()
            self._opened.append(occurrences)
        else:
            occurrences.forget_before_last(MIND_SPAN)
        reading = _Reading(RequestReader(self._log, occurrences), occurrences, row.generation)
        lines = LogLines(stream, LinePosition())
        known = takewhile(lambda line: line.bytes_end <= row.offset_bytes, lines)
        for batch in batches_of(known, ImportTotals()):
            reading.reader.pass_over(batch)
        reading.offset_bytes, reading.lines = row.offset_bytes, row.lines
        return reading

    def _forget_readings(self, kept_max: int = READINGS_MAX) -> None:
        """Forget what was read longest ago, and close what nothing knows any more."""
        for kept in (self._readings, self._last_of_name):
            while len(kept) > kept_max:
                del kept[next(iter(kept))]
        in_use = {id(reading.occurrences) for reading in self._readings.values()}
        in_use |= {id(occurrences) for occurrences in self._last_of_name.values()}
        for occurrences in [one for one in self._opened if id(one) not in in_use]:
            occurrences.close()
            self._opened.remove(occurrences)


_POSITION: Final = (
    "offset_bytes",
    "beginning_bytes",
    "beginning",
    "format",
    "lines",
    "accepted",
    "refused",
    "refused_lines",
    "stopped",
    "last_line_at",
    "name",
    "read_at",
)


def _is_read(row: LogFile, stored: StoredLog) -> bool:
    """Return whether a file has not changed since it was read."""
    if row.is_whole:
        return True
    return row.offset_bytes == stored.size_bytes and stored.modified_at < row.read_at - SLACK


def _digest(beginning: bytes) -> str:
    return hashlib.sha256(beginning).hexdigest() if beginning else ""


def _add_totals(row: LogFile, totals: ImportTotals) -> None:
    row.lines += totals.lines
    row.accepted += totals.accepted
    row.refused += totals.bad
    kept = BAD_LINES_KEPT_MAX - len(row.refused_lines)
    row.refused_lines = [*row.refused_lines, *([line.number, line.reason] for line in totals.bad_lines[:kept])]
    row.format = totals.format or row.format
    if totals.last_at is not None:
        row.last_line_at = totals.last_at if row.last_line_at is None else max(row.last_line_at, totals.last_at)


def _ended(lines: LogLines) -> Iterator[LogLine]:
    """Yield the lines up to the one that is still being written."""
    for line in lines:
        if not line.is_ended:
            return
        yield line
