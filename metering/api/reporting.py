"""From a decoded body to stored events and the response: what `POST /events` and `POST /access-logs` share.

A tenant's key reports for its tenant. A service key names a tenant in each event or once in the header. One batch may
name several tenants; each tenant's events are stored separately.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import principal_of
from accounts.api.problems import CONTENT_TYPE, FORM_CODES, problem_body
from accounts.api.request_facts import request_id_of
from accounts.api.tenancy import read_tenants_of_service, tenant_of
from accounts.domain.principal import TenantFacts
from accounts.domain.reach import WayIn, way_in
from accounts.errors import FieldError, MalformedBodyError, NotFoundError, ProblemError
from metering.api.ledger_access import require_may_write
from metering.api.ordinary import Told
from metering.domain.events import IngestRules, ParsedEvent, Rejection
from metering.domain.limit_policy import EVENT_AHEAD_MAX
from metering.domain.over_quota import OverQuota
from metering.errors import EventConflictError, EventRefusedError, EventsDeletedError
from metering.selectors.catalog import formulas_by_event_type, known_event_types
from metering.services.reports import ReportOutcome, TenantReport, store_tenant_reports

TENANTS_PER_BATCH_MAX: Final = 100
UNKNOWN_TENANT: Final = "unknown_tenant"

Judge = Callable[[Any, int, datetime, IngestRules], ParsedEvent | Rejection]
"""Checks the item at an index of a body by a tenant's rules: `parse_event`, or what another form has in its place."""


class EventNames(msgspec.Struct, frozen=True):
    """The id, type and tenant that an event names."""

    id: str | None = None
    tenant: str | None = None


def rules_for(tenant: TenantFacts, as_of: datetime, *, accepts_tenant: bool) -> IngestRules:
    """Return the rules for the tenant's events now."""
    return IngestRules(
        window_start=as_of - timedelta(days=tenant.backfill_days),
        latest=as_of + EVENT_AHEAD_MAX,
        known_types=known_event_types(),
        accepts_tenant=accepts_tenant,
        formulas=formulas_by_event_type(),
    )


def report_of_tenant(request: Request, items: Sequence[Any], judge: Judge, as_of: datetime) -> TenantReport:
    """Check a whole body about one tenant: the key's own, or the one in the header. Raises 402, 404 or 422."""
    principal = principal_of(request)
    tenant = tenant_of(request)
    require_may_write(principal, tenant)
    report = TenantReport(tenant)
    rules = rules_for(tenant, as_of, accepts_tenant=principal.tenant is None)
    for index, item in enumerate(items):
        _add(report, judge(item, index, as_of, rules))
    return report


def reports_of_service(
    request: Request, items: Sequence[Any], names: Sequence[EventNames], judge: Judge, as_of: datetime
) -> tuple[list[TenantReport], list[Rejection]]:
    """Check events of which each may name its tenant by a slug.

    Also returns the events whose tenant is not known.
    """
    slugs = [name.tenant for name in names]
    reports: dict[str | None, TenantReport] = {}
    refused: dict[str | None, ProblemError] = {}
    strangers: list[Rejection] = []
    if len(set(slugs)) > TENANTS_PER_BATCH_MAX:
        raise EventRefusedError(
            f"A batch names at most {TENANTS_PER_BATCH_MAX} tenants.", code="too_many_tenants_in_batch"
        )
    read_tenants_of_service({slug for slug in slugs if slug})
    for slug in dict.fromkeys(slugs):
        try:
            reports[slug] = TenantReport(tenant_of(request, slug))
        except ProblemError as error:
            refused[slug] = error
    rules = {slug: rules_for(report.tenant, as_of, accepts_tenant=True) for slug, report in reports.items()}
    for index, slug in enumerate(slugs):
        if slug in refused:
            strangers.append(_stranger(index, names[index].id, refused[slug]))
        else:
            _add(reports[slug], judge(items[index], index, as_of, rules[slug]))
    return list(reports.values()), strangers


def store_reports(request: Request, reports: Sequence[TenantReport], as_of: datetime) -> ReportOutcome:
    """Store every tenant's events; return the sum of the outcomes."""
    with way_in(WayIn.INGEST):
        return store_tenant_reports(
            principal=principal_of(request), reports=reports, request_id=request_id_of(request), as_of=as_of
        )


def batch_response(request: Request, outcome: ReportOutcome, strangers: Sequence[Rejection], place: str) -> Response:
    """Return 200 with the counts and the refused items, or 422 if all were refused.

    `place` is the JSON Pointer of the body's list: empty if the body is the list.
    """
    rejected = sorted([*outcome.rejected, *strangers], key=lambda rejection: rejection.index)
    counts: dict[str, object] = {
        "accepted": outcome.accepted,
        "duplicates": outcome.duplicates,
        "rejected": len(rejected),
        "results": [
            {"index": rejection.index, "id": rejection.id, "code": rejection.code, "detail": rejection.detail}
            for rejection in rejected
        ],
    }
    if outcome.accepted or outcome.duplicates:
        return Response(counts | over_quota_member(request, outcome.over_quota))
    errors = tuple(
        FieldError(f"{place}/{rejection.index}{rejection.pointer}", rejection.code, rejection.detail)
        for rejection in rejected
    )
    error = EventRefusedError("Every item was refused.", field_errors=errors, code="all_events_rejected")
    return problem_response(request, error, counts)


def single_response(request: Request, event_id: str | None, outcome: ReportOutcome) -> Response:
    """Return 201 for a stored event, 200 for a known one, else the problem."""
    if not outcome.rejected:
        return stored_event(request, event_id, outcome.over_quota, is_new=bool(outcome.accepted)).as_response()
    [rejection] = outcome.rejected
    if rejection.code == EventConflictError.code:
        return problem_response(request, EventConflictError(rejection.detail))
    if rejection.code == EventsDeletedError.code:
        return problem_response(request, EventsDeletedError(rejection.detail))
    kind = MalformedBodyError if rejection.code in FORM_CODES else EventRefusedError
    refused = FieldError(rejection.pointer, rejection.code, rejection.detail)
    return problem_response(request, kind(rejection.detail, field_errors=(refused,), code=rejection.code))


def stored_event(request: Request, event_id: str | None, over: Sequence[OverQuota], *, is_new: bool) -> Told:
    """Return 201 for a new event, 200 for a known one."""
    body: dict[str, object] = {"id": event_id, "status": "accepted" if is_new else "duplicate"}
    return Told(201 if is_new else 200, body | over_quota_member(request, over))


def over_quota_member(request: Request, over_quota: Sequence[OverQuota]) -> dict[str, object]:
    """Return the member that names exceeded quotas; nothing if none is. A service key is told whose they are."""
    if not over_quota:
        return {}
    names_tenant = principal_of(request).tenant is None
    rows = [
        {"name": over.name, "limit": over.limit, "used": over.used, "resets_at": over.resets_at}
        | ({"tenant": over.tenant} if names_tenant else {})
        | ({} if over.subject is None else {"subject": over.subject})
        for over in over_quota
    ]
    return {"over_quota": rows}


def problem_response(request: Request, error: ProblemError, members: dict[str, object] | None = None) -> Response:
    """Return a problem as a response instead of raising it: what was stored for the debugger must be committed."""
    return Response(problem_body(request, error) | (members or {}), status=error.status, content_type=CONTENT_TYPE)


def _add(report: TenantReport, verdict: ParsedEvent | Rejection) -> None:
    if isinstance(verdict, ParsedEvent):
        report.events.append(verdict)
    else:
        report.rejections.append(verdict)


def _stranger(index: int, event_id: str | None, error: ProblemError) -> Rejection:
    code = UNKNOWN_TENANT if isinstance(error, NotFoundError) else error.code
    return Rejection(index, event_id, code, error.detail, "/tenant")
