"""The lines of one log become requests, and these become events, in batches.

A line's id is that which its gateway made. Without one it is computed from its text and the number of equal lines
before it: an id that clients may choose, or that is missing, would count several requests once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction

from metering.domain.access_log import AccessRecord, BadLine, line_identity
from metering.domain.access_record_input import event_from_record
from metering.domain.events import IngestRules, ParsedEvent, Rejection
from metering.domain.http_requests import EVENT_TYPE
from metering.domain.import_totals import ImportTotals
from metering.domain.ledger import IngestResult, Ledger
from metering.domain.limit_policy import EVENT_AHEAD_MAX, running_spans
from metering.domain.log_formats.reading import Context
from metering.domain.log_formats.registry import (
    FORMATS,
    SAMPLE_LINES,
    TOO_LONG,
    UNKNOWN,
    Detected,
    LineReader,
    LogFormat,
    detect,
    format_named,
    with_places,
)
from metering.gateways.line_occurrences import OccurrenceCounter
from metering.gateways.log_lines import LogLine, UnreadableLogError
from metering.selectors.catalog import formulas_by_event_type
from metering.services.ingest import ingest_events
from metering.services.limits.counting import forget_counters
from metering.services.reports import TOO_LATE_DETAIL

BATCH_LINES: Final = 2000
# Staff may import events as old as the oldest possible partition.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
# The format that is read by --map alone.
MAPPED: Final = "apigateway"
_ID_MARK: Final = b"id:"


@dataclass(frozen=True, slots=True)
class AccessLog:
    """A log to import: its tenant, its key, and how its lines are read.

    `name` is the file's name for people. Without `format` it is detected. `places` move fields of a JSON format.
    """

    ledger: Ledger
    name: str
    format: str | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    zone: tzinfo | None = None
    api_key_id: UUID | None = None

    def formats(self) -> tuple[LogFormat, ...]:
        """Return the formats that the lines may have."""
        if self.places:
            return (with_places(format_named(self.format or MAPPED), self.places),)
        return tuple(FORMATS.values()) if self.format is None else (format_named(self.format),)


class LogRequest(NamedTuple):
    """A good line, with its number."""

    line_number: int
    record: AccessRecord
    event: ParsedEvent


class RequestReader:
    """Reads the lines of one log into requests, batch after batch."""

    def __init__(self, log: AccessLog, occurrences: OccurrenceCounter) -> None:
        self._formats = log.formats()
        self._context = Context(log.zone)
        self._lines: LineReader | None = None
        self._occurrences = occurrences
        self._previous = b""

    def requests_in(self, lines: Sequence[LogLine], totals: ImportTotals, as_of: datetime) -> list[LogRequest]:
        """Return the good lines; count the others in `totals`."""
        if self._lines is None:
            self._detect(lines)
        totals.format = "" if self._lines is None else self._lines.detected.title
        rules = IngestRules(
            window_start=EARLIEST,
            latest=as_of + EVENT_AHEAD_MAX,
            known_types=frozenset({EVENT_TYPE}),
            formulas=formulas_by_event_type(),
        )
        requests: list[LogRequest] = []
        for line in lines:
            totals.lines += 1
            if not line.text.strip():
                totals.blank += 1
            elif not line.is_ended and not is_evidently_whole(line.text, self._previous):
                totals.unfinished += 1
            elif (found := self._record_in(line, totals)) is not None:
                event = event_from_record(*found, len(requests), as_of, rules)
                if isinstance(event, Rejection):
                    totals.add_bad(line.number, event.detail)
                else:
                    requests.append(LogRequest(line.number, found[0], event))
            self._previous = line.text
        return requests

    def pass_over(self, lines: Sequence[LogLine]) -> None:
        """Take note of lines that were read before, as they count for what follows."""
        if self._lines is None:
            self._detect(lines)
        ignored = ImportTotals()
        for line in lines:
            if line.text.strip():
                self._record_in(line, ignored)
            self._previous = line.text

    def _detect(self, lines: Iterable[LogLine]) -> None:
        sample = [line.text for line in lines if line.text.strip() and not line.is_cut][:SAMPLE_LINES]
        detected = detect(sample, self._formats, self._context.zone)
        if detected is None and len(self._formats) == 1:
            detected = Detected(self._formats[0])
        if detected is not None:
            self._lines = LineReader(detected, self._context)

    def _record_in(self, line: LogLine, totals: ImportTotals) -> tuple[AccessRecord, str] | None:
        """Return the record of a line and its identity; count the line if it is none."""
        record = TOO_LONG if line.is_cut else UNKNOWN if self._lines is None else self._lines.read(line.text)
        if record is None:
            totals.headers += 1
            return None
        if isinstance(record, BadLine):
            totals.add_bad(line.number, record.reason)
            return None
        return record, self._identity(line, record, totals)

    def _identity(self, line: LogLine, record: AccessRecord, totals: ImportTotals) -> str:
        assert record.request_time is not None, "a line without a time is a bad one"
        if record.request_id is not None:
            if self._occurrences.count(_ID_MARK + record.request_id.encode(), record.request_time) > 1:
                totals.add_repeated(line.number)
            return record.request_id
        occurrence = self._occurrences.count(line.text, record.request_time)
        totals.identical += occurrence > 1
        return line_identity(line.text, occurrence)


def batches_of(lines: Iterator[LogLine], totals: ImportTotals) -> Iterator[list[LogLine]]:
    """Yield lines in batches. If the log becomes unreadable, the lines before that are still yielded."""
    while not totals.stopped:
        batch: list[LogLine] = []
        try:
            for line in islice(lines, BATCH_LINES):
                batch.append(line)  # noqa: PERF402 - one by one, so that none is lost if the stream ends early
        except UnreadableLogError as error:
            totals.stopped = str(error)
        if not batch:
            return
        yield batch


def is_evidently_whole(line: bytes, previous: bytes) -> bool:
    """Return whether a last line without a line end is complete.

    A server may still be writing it. If it were metered now, the complete line would be another one and count again.
    """
    if line.startswith(b"{"):
        return line.rstrip().endswith(b"}")
    return line.endswith(b'"') and (not previous or previous.count(b'"') == line.count(b'"'))


def store_requests(log: AccessLog, requests: Sequence[LogRequest], totals: ImportTotals, as_of: datetime) -> None:
    """Ingest one batch. If it may affect a current quota, the quota's counter is marked to be summed up again."""
    if not requests:
        return
    events = [request.event for request in requests]
    spans = running_spans(log.ledger, as_of)
    if any(span.contains(event.occurred_at) for span in spans for event in events):
        with transaction.atomic():
            forget_counters(ledger=log.ledger, as_of=as_of)
            result = _ingest(log, events, as_of)
    else:
        result = _ingest(log, events, as_of)
    totals.accepted += len(result.accepted)
    totals.duplicates += len(result.duplicates)
    bad = dict.fromkeys(result.conflicts, "Its request id was used for another request.")
    bad |= dict.fromkeys(result.too_late, TOO_LATE_DETAIL)
    for index, request in enumerate(requests):
        if index in bad:
            totals.add_bad(request.line_number, bad[index])
        else:
            totals.add_good(request.record)


def _ingest(log: AccessLog, events: Sequence[ParsedEvent], as_of: datetime) -> IngestResult:
    return ingest_events(ledger=log.ledger, events=events, api_key_id=log.api_key_id, as_of=as_of)
