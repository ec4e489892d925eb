"""Import an existing access log: each line becomes an event of type `http_request`, in batches through ingest.

An import of the same file again, of the file after it has grown, or after an interruption, skips the known lines and
adds only the others (`metering.services.log_requests`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Final

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.models import JobRun
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from metering.domain.import_totals import ImportTotals
from metering.gateways.line_occurrences import OccurrenceCounter
from metering.gateways.log_lines import LogLines
from metering.services.log_requests import AccessLog, LogRequest, RequestReader, batches_of, store_requests

JOB_NAME: Final = "import_access_log"
INTERRUPTED: Final = "interrupted"
RECORDS_SHOWN: Final = 5


@dataclass(slots=True)
class Preview:
    """What an import would read: the totals, with nothing accepted yet, and the first records."""

    totals: ImportTotals = field(default_factory=ImportTotals)
    first: list[LogRequest] = field(default_factory=list)


def import_access_log(
    *,
    log: AccessLog,
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
        for requests in _requests(log, stream, totals, as_of):
            store_requests(log, requests, totals, as_of)
            on_progress(totals)
            if is_interrupted():
                totals.stopped = INTERRUPTED
                break
        record_audit(
            actor=actor,
            action="access_log.imported",
            tenant_id=log.ledger.tenant_id,
            target=AuditTarget("access_log", "live" if log.ledger.is_live else "test", log.name),
            as_of=as_of,
            after=totals.summary(),
        )
        return JobReport(
            summary={"file": log.name, **totals.summary()}, needs_attention=bool(totals.bad or totals.stopped)
        )

    run: JobRun = run_job(name=JOB_NAME, started_by=actor.label, as_of=as_of, work=work)
    assert run.finished_at is not None, "the job has ended"
    return totals


def preview_access_log(
    *, log: AccessLog, stream: BinaryIO, as_of: datetime, is_interrupted: Callable[[], bool]
) -> Preview:
    """Read the stream as an import would, and store nothing."""
    preview = Preview()
    for requests in _requests(log, stream, preview.totals, as_of):
        preview.first.extend(requests[: RECORDS_SHOWN - len(preview.first)])
        for request in requests:
            preview.totals.add_good(request.record)
        if is_interrupted():
            preview.totals.stopped = INTERRUPTED
            break
    return preview


def _requests(log: AccessLog, stream: BinaryIO, totals: ImportTotals, as_of: datetime) -> Iterator[list[LogRequest]]:
    """Yield the good lines of each batch."""
    lines = LogLines(stream)
    with OccurrenceCounter() as occurrences:
        reader = RequestReader(log, occurrences)
        for batch in batches_of(iter(lines), totals):
            requests = reader.requests_in(batch, totals, as_of)
            totals.bytes_read = lines.bytes_read
            yield requests
