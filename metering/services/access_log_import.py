"""Import an existing access log: each line becomes an event of type `http_request`, in batches through ingest.

A line's id is computed from its text and the number of equal lines before it. So an import of the same file again, of
the file after it has grown, or after an interruption, skips the known lines and adds only the others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import BinaryIO, Final, NamedTuple
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.models import JobRun
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from metering.domain.access_log import (
    API_GATEWAY_FIELDS,
    AccessRecord,
    BadLine,
    line_identity,
    parse_json_line,
    parse_line,
)
from metering.domain.access_record_input import event_from_record
from metering.domain.events import IngestRules, ParsedEvent, Rejection
from metering.domain.http_requests import EVENT_TYPE
from metering.domain.ledger import IngestResult, Ledger
from metering.domain.limit_policy import EVENT_AHEAD_MAX, running_spans
from metering.gateways.line_occurrences import OccurrenceCounter
from metering.gateways.log_lines import LogLine, LogLines, UnreadableLogError
from metering.services.ingest import ingest_events
from metering.services.limits.counting import forget_counters
from metering.services.reports import TOO_LATE_DETAIL

JOB_NAME: Final = "import_access_log"
INTERRUPTED: Final = "interrupted"
BATCH_LINES: Final = 2000
BAD_LINES_KEPT_MAX: Final = 100
# Staff may import events as old as the oldest possible partition.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


class LogFormat(StrEnum):
    """The format of a line. `AUTO` reads a line that begins with a brace as JSON."""

    AUTO = "auto"
    COMBINED = "combined"
    JSONL = "jsonl"


class BadLineFound(NamedTuple):
    """A line that was not metered, with the reason."""

    number: int
    reason: str


@dataclass(slots=True)
class ImportTotals:
    """The totals of an import so far. Every line is blank, bad, unfinished, or else accepted or a duplicate.

    `response_bytes`, `first_at` and `last_at` cover all good lines, new or known. `stopped` is the reason if the import
    ended early.
    """

    lines: int = 0
    blank: int = 0
    bad: int = 0
    unfinished: int = 0
    accepted: int = 0
    duplicates: int = 0
    response_bytes: int = 0
    bytes_read: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    stopped: str = ""
    bad_lines: list[BadLineFound] = field(default_factory=list)

    def add_bad(self, number: int, reason: str) -> None:
        """Count a bad line; only the first ones are kept."""
        self.bad += 1
        if len(self.bad_lines) < BAD_LINES_KEPT_MAX:
            self.bad_lines.append(BadLineFound(number, reason))

    def add_good(self, record: AccessRecord) -> None:
        """Count the response of a good line."""
        at = record.request_time
        assert at is not None, "a line without a time is a bad one"
        self.response_bytes += record.response_length
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)

    def summary(self) -> dict[str, object]:
        """Return the summary for the job's row and the audit log."""
        return {
            "lines": self.lines,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "bad": self.bad,
            "blank": self.blank,
            "unfinished": self.unfinished,
            "response_bytes": self.response_bytes,
            "first_at": self.first_at and self.first_at.isoformat(),
            "last_at": self.last_at and self.last_at.isoformat(),
            "stopped": self.stopped,
        }


@dataclass(frozen=True, slots=True)
class AccessLogImport:
    """The import to run: its tenant, its key, and the format of its lines.

    `name` is the file's name for people.
    """

    ledger: Ledger
    name: str
    format: LogFormat = LogFormat.AUTO
    fields: Mapping[str, str] = field(default_factory=lambda: API_GATEWAY_FIELDS)
    api_key_id: UUID | None = None


class _Request(NamedTuple):
    """A good line, with its number."""

    line_number: int
    record: AccessRecord
    event: ParsedEvent


def import_access_log(
    *,
    job: AccessLogImport,
    stream: BinaryIO,
    actor: Actor,
    as_of: datetime,
    on_progress: Callable[[ImportTotals], None],
    is_interrupted: Callable[[], bool],
) -> ImportTotals:
    """Import the stream to its end, or to the end of the batch in which `is_interrupted` returns true.

    The import is recorded as a run of a job and in the audit log. Raises Django's database errors, after which all
    batches but the last are stored and the last may be; importing again is always safe.
    """
    totals = ImportTotals()

    def work() -> JobReport:
        _import_batches(job, stream, totals, as_of, on_progress=on_progress, is_interrupted=is_interrupted)
        record_audit(
            actor=actor,
            action="access_log.imported",
            tenant_id=job.ledger.tenant_id,
            target=AuditTarget("access_log", "live" if job.ledger.is_live else "test", job.name),
            as_of=as_of,
            after=totals.summary(),
        )
        return JobReport(
            summary={"file": job.name, **totals.summary()}, needs_attention=bool(totals.bad or totals.stopped)
        )

    run: JobRun = run_job(name=JOB_NAME, started_by=actor.label, as_of=as_of, work=work)
    assert run.finished_at is not None, "the job has ended"
    return totals


def _import_batches(
    job: AccessLogImport,
    stream: BinaryIO,
    totals: ImportTotals,
    as_of: datetime,
    *,
    on_progress: Callable[[ImportTotals], None],
    is_interrupted: Callable[[], bool],
) -> None:
    lines = LogLines(stream)
    with OccurrenceCounter() as occurrences:
        reader = _LineReader(job, occurrences, totals, as_of)
        for batch in _batches(lines, totals):
            _store(job, reader.requests_in(batch), totals, as_of)
            totals.bytes_read = lines.bytes_read
            on_progress(totals)
            if is_interrupted():
                totals.stopped = INTERRUPTED
                return


def _batches(lines: LogLines, totals: ImportTotals) -> Iterator[Sequence[LogLine]]:
    """Yield the log in batches. If the log becomes unreadable, the lines before that are still imported."""
    source = iter(lines)
    while not totals.stopped:
        batch: list[LogLine] = []
        try:
            for line in islice(source, BATCH_LINES):
                batch.append(line)  # noqa: PERF402 - one by one, so that none is lost if the stream ends early
        except UnreadableLogError as error:
            totals.stopped = str(error)
        if not batch:
            return
        yield batch


class _LineReader:
    """Reads the lines of one file into events."""

    def __init__(
        self, job: AccessLogImport, occurrences: OccurrenceCounter, totals: ImportTotals, as_of: datetime
    ) -> None:
        self._job = job
        self._occurrences = occurrences
        self._totals = totals
        self._received_at = as_of
        self._rules = IngestRules(
            window_start=EARLIEST, latest=as_of + EVENT_AHEAD_MAX, known_types=frozenset({EVENT_TYPE})
        )
        self._previous = b""

    def requests_in(self, lines: Iterable[LogLine]) -> list[_Request]:
        """Return the good lines; count the others."""
        requests: list[_Request] = []
        for line in lines:
            self._totals.lines += 1
            if not line.text.strip():
                self._totals.blank += 1
            elif not line.is_ended and not is_evidently_whole(line.text, self._previous):
                self._totals.unfinished += 1
            else:
                requests.extend(self._request_in(line, index=len(requests)))
            self._previous = line.text
        return requests

    def _request_in(self, line: LogLine, index: int) -> Iterator[_Request]:
        record = BadLine("Longer than any request.") if line.is_cut else self._record_in(line.text)
        if isinstance(record, BadLine):
            self._totals.add_bad(line.number, record.reason)
            return
        assert record.request_time is not None, "a line without a time is a bad one"
        event_id = record.request_id or line_identity(
            line.text, self._occurrences.count(line.text, record.request_time)
        )
        event = event_from_record(record, event_id, index, self._received_at, self._rules)
        if isinstance(event, Rejection):
            self._totals.add_bad(line.number, event.detail)
            return
        yield _Request(line.number, record, event)

    def _record_in(self, text: bytes) -> AccessRecord | BadLine:
        is_json = text.startswith(b"{") if self._job.format is LogFormat.AUTO else self._job.format is LogFormat.JSONL
        return parse_json_line(text, self._job.fields) if is_json else parse_line(text)


def is_evidently_whole(line: bytes, previous: bytes) -> bool:
    """Return whether a last line without a line end is complete.

    A server may still be writing it. If it were metered now, the complete line would be another one and count again.
    """
    if line.startswith(b"{"):
        return line.rstrip().endswith(b"}")
    return line.endswith(b'"') and (not previous or previous.count(b'"') == line.count(b'"'))


def _store(job: AccessLogImport, requests: Sequence[_Request], totals: ImportTotals, as_of: datetime) -> None:
    """Ingest one batch. If it may affect a current quota, the quota's counter is marked to be summed up again."""
    if not requests:
        return
    events = [request.event for request in requests]
    spans = running_spans(job.ledger.time_zone, as_of)
    if any(span.contains(event.occurred_at) for span in spans for event in events):
        with transaction.atomic():
            forget_counters(ledger=job.ledger, as_of=as_of)
            result = _ingest(job, events, as_of)
    else:
        result = _ingest(job, events, as_of)
    totals.accepted += len(result.accepted)
    totals.duplicates += len(result.duplicates)
    bad = dict.fromkeys(result.conflicts, "Its request id was used for another request.")
    bad |= dict.fromkeys(result.too_late, TOO_LATE_DETAIL)
    for index, request in enumerate(requests):
        if index in bad:
            totals.add_bad(request.line_number, bad[index])
        else:
            totals.add_good(request.record)


def _ingest(job: AccessLogImport, events: Sequence[ParsedEvent], as_of: datetime) -> IngestResult:
    return ingest_events(ledger=job.ledger, events=events, api_key_id=job.api_key_id, as_of=as_of)
