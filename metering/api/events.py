"""`/events`: report usage, list the raw ledger.

The hot path creates no Django or DRF object per event: bytes → msgspec → one JSON parameter of one statement.
"""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import ClassVar

import msgspec
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import principal_of
from accounts.api.idempotency import idempotent
from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.parsers import BATCH_BYTES_MAX, RawJSONParser, body_bytes
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from accounts.errors import NotFoundError
from metering.api.event_forms import (
    OtherFormsParser,
    SentEvents,
    is_named_by_idempotency_key,
    named_in,
    sent_events,
)
from metering.api.event_streams import STREAM_RENDERERS, event_stream, is_streamed
from metering.api.events_schema import (
    BATCH_PROBLEM,
    EVENT_FILTERS,
    EVENT_ID,
    EVENT_PAGE,
    EVENT_SOURCE,
    EVENTS_ANSWER,
    EVENTS_BODY,
    RECEIPT_PARAMETER,
    STREAMED,
    EventStatusSchema,
    StoredEventSchema,
)
from metering.api.ledger_access import readable_ledger
from metering.api.ordinary import NotOrdinaryError, Told, required
from metering.api.parameters import API_KEY_PARAMETER, BOM_PARAMETER, api_key_of, instant_of, require_span, text_of
from metering.api.reporting import (
    batch_response,
    report_of_tenant,
    reports_of_service,
    single_response,
    store_reports,
    stored_event,
)
from metering.domain.event_input import parse_event
from metering.domain.events import Rejection
from metering.domain.ledger import Ledger
from metering.domain.rounds import Outcome, RoundReport
from metering.selectors.events import EventFilters, StoredEvent, event_by_id, events_page
from metering.selectors.retention import deleted_before, refuse_deleted
from metering.services.limits.watching import over_quotas_after_round
from metering.services.reports import ReportOutcome, TenantReport
from metering.services.rounds.requests import report_for_round


class EventsView(ApiView):
    """`POST /events` and `GET /events`."""

    body_bytes_max = BATCH_BYTES_MAX
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ, "POST": Scope.EVENTS_WRITE}
    parser_classes = [RawJSONParser, OtherFormsParser]
    statuses = frozenset({HTTPStatus.CREATED})

    def get_renderers(self) -> list[BaseRenderer]:
        """Return the formats: lists are streamed as NDJSON and CSV, too."""
        own = super().get_renderers()
        request = getattr(self, "request", None)  # the short way, which only reports, has none yet
        is_list = request is not None and request.method in SAFE_METHODS
        return [*own, *(renderer() for renderer in STREAM_RENDERERS)] if is_list else own

    @extend_schema(
        operation_id="report_events",
        summary="Report one event or a batch",
        request=EVENTS_BODY,
        parameters=[RECEIPT_PARAMETER, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        responses={
            201: EventStatusSchema,
            200: EVENTS_ANSWER,
            **problems(*BODY_STATUSES, 402, 404, 409, 410),
            **BATCH_PROBLEM,
        },
        tags=["Events"],
    )
    @idempotent(unless=is_named_by_idempotency_key)
    def post(self, request: Request) -> Response:
        """Report one event or a batch, as JSON, NDJSON or CloudEvents 1.0.

        A CloudEvent in binary form has its attributes in headers `ce-…`, and its data as the body.
        A billing event comes with a service key; its identity is `id`, or the Idempotency-Key.
        A response of 2xx means that the events are on disk. Sending an event again never counts it twice.
        """
        return report_events(request, sent_events(request), self)

    def check_reports(self, request: Request, reports: Sequence[TenantReport]) -> None:
        """Check what the request asks for beside the outcome, before anything is stored."""

    def members_beside(
        self,
        request: Request,  # noqa: ARG002 - for a view above
        reports: Sequence[TenantReport],  # noqa: ARG002 - as above
        outcome: ReportOutcome,  # noqa: ARG002 - as above
        as_of: datetime,  # noqa: ARG002 - as above
    ) -> dict[str, object]:
        """Return more members of the response, once the events are on disk."""
        return {}

    def work_of(self, request: Request, as_of: datetime) -> RoundReport:
        """Return the request as work for a round. Raises `NotOrdinaryError` for all but one right event."""
        report = report_of_tenant(request, [msgspec.Raw(body_bytes(request))], parse_event, as_of)
        if not report.events:
            raise NotOrdinaryError
        [event] = report.events
        work = report_for_round(
            principal=principal_of(request), tenant=report.tenant, event=event, as_of=as_of, is_limited=False
        )
        return required(work)

    def response_to(self, request: Request, work: RoundReport, outcome: Outcome) -> Told:
        """Return the response after the round."""
        over = over_quotas_after_round(work.watched, outcome.used, tenant_of(request))
        return stored_event(request, work.event.id, over, is_new=True)

    @extend_schema(
        operation_id="list_events",
        summary="List events",
        parameters=[*EVENT_FILTERS, API_KEY_PARAMETER, *PAGE_PARAMETERS, BOM_PARAMETER, TENANT_PARAMETER],
        responses={(200, "application/json"): EVENT_PAGE, **STREAMED, **problems(404, 422)},
        tags=["Events"],
    )
    def get(self, request: Request) -> Response | StreamingHttpResponse:
        """List the raw ledger, newest first, as far back as raw events are kept.

        `Accept: application/x-ndjson` or `text/csv` streams every event that passes the filters, without pages.
        """
        ledger = readable_ledger(request)
        filters = event_filters_of(request, ledger)
        if is_streamed(request):
            return event_stream(request, ledger, filters, event_body)
        body = read_page(request, lambda page: events_page(ledger=ledger, filters=filters, page=page), event_body)
        deleted = deleted_before()
        return Response({**body, "deleted_before": None if deleted is None else deleted[0]})


class EventView(ApiView):
    """`GET /events/{id}`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(
        operation_id="retrieve_event",
        summary="Retrieve an event",
        parameters=[EVENT_ID, EVENT_SOURCE, TENANT_PARAMETER],
        responses={200: StoredEventSchema, **problems(404, 410, 422)},
        tags=["Events"],
    )
    def get(self, request: Request, event_id: str) -> Response:
        """Return one event, with its void if it has one."""
        return Response(event_body(existing_event(readable_ledger(request), event_id, source_of(request))))


def report_events(request: Request, sent: SentEvents, view: EventsView) -> Response:
    """Check and store what was sent, and return the response of the contract."""
    as_of, items = timezone.now(), sent.items
    strangers: list[Rejection] = []
    if principal_of(request).tenant is not None:
        reports = [report_of_tenant(request, items, sent.judge, as_of)]
    else:
        names = [named_in(item) for item in items]
        if not sent.is_batch:
            tenant_of(request, names[0].tenant)  # a single event has no list of refused items: refuse the whole call
        reports, strangers = reports_of_service(request, items, names, sent.judge, as_of)
    view.check_reports(request, reports)
    outcome = store_reports(request, reports, as_of)
    if sent.is_batch:
        response = batch_response(request, outcome, strangers, sent.place)
    else:
        response = single_response(request, reports[0].events[0].id if reports[0].events else None, outcome)
    if outcome.accepted or outcome.duplicates:
        response.data |= view.members_beside(request, reports, outcome, as_of)
    return response


def event_filters_of(request: Request, ledger: Ledger) -> EventFilters:
    """Read the filters of the list. Raises 404 for a key that is not the tenant's, 422 for a malformed value."""
    start, end = (instant_of(request, name, ledger.time_zone) for name in ("start", "end"))
    require_span(start, end)
    return EventFilters(
        type=text_of(request, "type"),
        subject=text_of(request, "subject"),
        api_key_id=api_key_of(request, ledger),
        start=start,
        end=end,
    )


def source_of(request: Request) -> str:
    """Return the source of the event that is meant; a plain event has none."""
    return text_of(request, "source") or ""


def existing_event(ledger: Ledger, event_id: str, source: str) -> StoredEvent:
    """Return the event with this id. Raises 404 if it is unknown or another tenant's, 410 if it was deleted."""
    event = event_by_id(ledger=ledger, event_id=event_id, source=source)
    if event is None:
        refuse_deleted(ledger, event_id=event_id, source=source)
        raise NotFoundError("There is no event with this id.")
    return event


def event_body(event: StoredEvent) -> dict[str, object]:
    """Return a row of the ledger in the form of the contract. Numbers in properties stay exact."""
    void = event.void
    return {
        "id": event.id,
        "source": event.source or None,
        "type": event.type,
        "timestamp": event.occurred_at,
        "quantity": event.quantity,
        "subject": event.subject,
        "properties": msgspec.Raw(event.properties_json.encode()),
        "api_key": event.api_key_id,
        "received_at": event.received_at,
        "void": void
        and {
            "reason": void.reason,
            "voided_by": void.voided_by,
            "voided_at": void.voided_at,
            "replaced_by": void.replaced_by,
        },
        "amends": event.amends,
    }
