"""Send lines of NDJSON in batches, here or to another installation: the same file again counts nothing twice."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from accounts.domain.principal import Principal, TenantFacts
from metering.domain.event_bodies import decode_lines
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, Rejection
from metering.domain.limit_policy import EVENT_AHEAD_MAX
from metering.gateways.event_api import BatchOutcome, RejectedItem
from metering.gateways.log_lines import LogLine
from metering.selectors.catalog import formulas_by_event_type, known_event_types
from metering.services.reports import TenantReport, store_tenant_reports

LINES_PER_BATCH: Final = 1000
BYTES_PER_BATCH: Final = 4 * 1024 * 1024
REFUSED_KEPT_MAX: Final = 20

Send = Callable[[Sequence[bytes]], BatchOutcome]


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that was not stored, with the reason."""

    number: int
    reason: str


@dataclass(slots=True)
class SendingTotals:
    """The totals so far. `last_line` is the number of the last line whose batch has an answer."""

    last_line: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    first_refused: list[RefusedLine] = field(default_factory=list)

    def add(self, lines: Sequence[LogLine], outcome: BatchOutcome) -> None:
        """Count the outcome of a batch; only the first refused lines are kept."""
        self.accepted += outcome.accepted
        self.duplicates += outcome.duplicates
        for item in outcome.results:
            self.add_refused(RefusedLine(lines[item.index].number, f"{item.code}: {item.detail}"))
        self.last_line = lines[-1].number

    def add_refused(self, line: RefusedLine) -> None:
        """Count a refused line."""
        self.refused += 1
        if len(self.first_refused) < REFUSED_KEPT_MAX:
            self.first_refused.append(line)


def send_lines(
    *,
    lines: Iterable[LogLine],
    send: Send,
    first_line: int,
    on_progress: Callable[[SendingTotals], None],
    is_interrupted: Callable[[], bool],
) -> SendingTotals:
    """Send the lines from `first_line` on, to the end or to the end of the batch in which `is_interrupted` is true.

    Raises what `send` raises: all batches before have their outcome, and sending all again is always safe.
    """
    totals = SendingTotals()
    for batch in _batches(lines, first_line, totals):
        totals.add(batch, send([line.text for line in batch]))
        on_progress(totals)
        if is_interrupted():
            break
    return totals


def store_here(*, principal: Principal, tenant: TenantFacts, request_id: str, as_of: Callable[[], datetime]) -> Send:
    """Return a function that stores lines as events of a key, as `POST /events` does."""

    def send(lines: Sequence[bytes]) -> BatchOutcome:
        now = as_of()
        rules = IngestRules(
            window_start=now - timedelta(days=tenant.backfill_days),
            latest=now + EVENT_AHEAD_MAX,
            known_types=known_event_types(),
            formulas=formulas_by_event_type(),
        )
        judged = [parse_event(item, n, now, rules) for n, item in enumerate(decode_lines(b"\n".join(lines)).items)]
        report = TenantReport(
            tenant,
            [verdict for verdict in judged if isinstance(verdict, ParsedEvent)],
            [verdict for verdict in judged if isinstance(verdict, Rejection)],
        )
        outcome = store_tenant_reports(principal=principal, reports=[report], request_id=request_id, as_of=now)
        refused = [RejectedItem(one.index, one.code, one.detail) for one in outcome.rejected]
        return BatchOutcome(outcome.accepted, outcome.duplicates, refused)

    return send


def _batches(lines: Iterable[LogLine], first_line: int, totals: SendingTotals) -> Iterator[list[LogLine]]:
    """Yield lines that hold something, in batches that a request can have. What is longer than any event is refused."""
    batch: list[LogLine] = []
    size = 0
    for line in lines:
        if line.number < first_line or not line.text.strip():
            continue
        if line.is_cut or not _is_utf_8(line.text):
            reason = "Longer than any event." if line.is_cut else "Not UTF-8."
            totals.add_refused(RefusedLine(line.number, reason))
            continue
        if batch and (len(batch) == LINES_PER_BATCH or size + len(line.text) > BYTES_PER_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line.text) + 1
    if batch:
        yield batch


def _is_utf_8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
