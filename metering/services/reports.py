"""Reports: the events of one call. Valid events are stored; refused ones are recorded for the debugger."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from accounts.domain.principal import Principal, TenantFacts
from metering.domain.events import ParsedEvent, Rejection
from metering.domain.ledger import IngestResult
from metering.domain.over_quota import OverQuota
from metering.errors import EventConflictError, EventsDeletedError
from metering.models import Verdict
from metering.selectors.limits import ledger_of
from metering.services.limits.counting import ingest_and_count_all
from metering.services.limits.watching import learn_levels, over_quotas, watch
from metering.services.verdicts import VERDICTS_PER_REQUEST_MAX, UnstoredEvent, record_verdicts

CONFLICT_DETAIL: Final = "This id was used for other content; nothing was changed."
TOO_LATE_DETAIL: Final = "The events of this time were deleted. No more events can be added to it."
DUPLICATE_CODE: Final = "duplicate"
DUPLICATE_DETAIL: Final = "The same event was stored before."


@dataclass(frozen=True, slots=True)
class ReportOutcome:
    """The outcome of a report: the numbers of new and known events, and the rejections of the others.

    `over_quota` are the hard quotas that count its events and are exceeded now.
    """

    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...]
    over_quota: tuple[OverQuota, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantReport:
    """The part of a call that is about one tenant."""

    tenant: TenantFacts
    events: list[ParsedEvent] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


def store_tenant_reports(
    *, principal: Principal, reports: Sequence[TenantReport], request_id: str, as_of: datetime
) -> ReportOutcome:
    """Store the valid events of each tenant, and record those that were not stored. Returns the sum of the outcomes.

    The events are on disk before anything is recorded. A caller that receives an error may always send the report
    again.
    """
    batches = [(report.tenant, report.events) for report in reports]
    watched = [
        (watch(principal=principal, tenant=report.tenant, events=report.events, as_of=as_of), report.tenant)
        for report in reports
    ]
    learn_levels([claim for claim, _ in watched if claim.counters])
    results = ingest_and_count_all(principal=principal, batches=batches, as_of=as_of)
    outcomes = [
        _record(principal, report, result, request_id, as_of) for report, result in zip(reports, results, strict=True)
    ]
    return ReportOutcome(
        accepted=sum(outcome.accepted for outcome in outcomes),
        duplicates=sum(outcome.duplicates for outcome in outcomes),
        rejected=tuple(rejection for outcome in outcomes for rejection in outcome.rejected),
        over_quota=tuple(over for claim, tenant in watched for over in over_quotas(claim, tenant)),
    )


def _record(
    principal: Principal, report: TenantReport, result: IngestResult, request_id: str, as_of: datetime
) -> ReportOutcome:
    """Record the events that were not stored, for the debugger."""
    tenant, events, rejections = report.tenant, report.events, list(report.rejections)
    by_index = {event.index: event for event in events} if len(result.accepted) < len(events) else {}
    rejections = [*rejections, *(_too_late(by_index[index]) for index in result.too_late)]
    conflicts = [_conflict(by_index[index]) for index in result.conflicts]
    refusals = [
        *_refusals_of_known(by_index, result),
        *(_refusal(rejection) for rejection in rejections),
    ]
    if refusals:
        record_verdicts(
            ledger=ledger_of(principal, tenant),
            refusals=refusals,
            api_key_id=principal.key_id,
            request_id=request_id,
            as_of=as_of,
        )
    rejected = sorted([*conflicts, *rejections], key=lambda rejection: rejection.index)
    return ReportOutcome(len(result.accepted), len(result.duplicates), tuple(rejected))


def _conflict(event: ParsedEvent) -> Rejection:
    return Rejection(event.index, event.id, EventConflictError.code, CONFLICT_DETAIL, "/id", event.type, event.source)


def _too_late(event: ParsedEvent) -> Rejection:
    return Rejection(
        event.index, event.id, EventsDeletedError.code, TOO_LATE_DETAIL, "/timestamp", event.type, event.source
    )


def _refusals_of_known(by_index: dict[int, ParsedEvent], result: IngestResult) -> list[UnstoredEvent]:
    """Return conflicts first: of many duplicates only some are recorded."""
    conflicts = (by_index[index] for index in result.conflicts[:VERDICTS_PER_REQUEST_MAX])
    duplicates = (by_index[index] for index in result.duplicates[:VERDICTS_PER_REQUEST_MAX])
    return [
        *(
            UnstoredEvent(
                Verdict.CONFLICT, event.id, event.type, EventConflictError.code, CONFLICT_DETAIL, event.source
            )
            for event in conflicts
        ),
        *(
            UnstoredEvent(Verdict.DUPLICATE, event.id, event.type, DUPLICATE_CODE, DUPLICATE_DETAIL, event.source)
            for event in duplicates
        ),
    ]


def _refusal(rejection: Rejection) -> UnstoredEvent:
    return UnstoredEvent(
        Verdict.REJECTED, rejection.id or "", rejection.type, rejection.code, rejection.detail, rejection.source
    )
