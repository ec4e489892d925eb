"""`/events`: report usage, list the raw ledger, void events.

The hot path creates no Django or DRF object per event: bytes → msgspec → one JSON parameter of one statement.
"""

from datetime import datetime
from http import HTTPStatus
from typing import ClassVar, Final

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of, principal_of
from accounts.api.idempotency import idempotent
from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.parsers import BATCH_BYTES_MAX, ExactJSONParser, RawJSONParser, body_bytes
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from accounts.errors import FieldError, InvalidFieldsError, MalformedBodyError, NotFoundError, ProblemError
from metering.api.events_schema import (
    BATCH_PROBLEM,
    EVENT_FILTERS,
    EVENT_ID,
    EVENT_PAGE,
    EVENTS_ANSWER,
    EVENTS_BODY,
    EventStatusSchema,
    StoredEventSchema,
    VoidRequestSchema,
)
from metering.api.ledger_access import readable_ledger, require_may_write
from metering.api.ordinary import NotOrdinaryError, required
from metering.api.parameters import API_KEY_PARAMETER, api_key_of, instant_of, text_of
from metering.api.reporting import (
    EventNames,
    batch_response,
    report_of_tenant,
    reports_of_service,
    single_response,
    store_reports,
)
from metering.domain.event_bodies import EventInput, Item, Oversized, Submission, decode_body
from metering.domain.event_input import parse_event
from metering.domain.events import Rejection
from metering.domain.ledger import Ledger
from metering.domain.rounds import Outcome, RoundReport
from metering.domain.texts import is_storable
from metering.selectors.events import EventFilters, StoredEvent, event_by_id, events_page
from metering.selectors.limits import ledger_of
from metering.selectors.retention import deleted_before, refuse_deleted
from metering.services.event_voids import void_counted_event
from metering.services.reports import ReportOutcome
from metering.services.rounds.requests import report_for_round

REASON_CHARACTERS_MAX: Final = 500
VOID_SUFFIX: Final = "/void"


_NAMES: Final = msgspec.json.Decoder(EventNames)


class EventsView(ApiView):
    """`POST /events` and `GET /events`."""

    body_bytes_max = BATCH_BYTES_MAX
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ, "POST": Scope.EVENTS_WRITE}
    parser_classes = [RawJSONParser]
    success_status = HTTPStatus.CREATED

    @extend_schema(
        operation_id="report_events",
        summary="Report one event or a batch",
        request=EVENTS_BODY,
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        responses={
            201: EventStatusSchema,
            200: EVENTS_ANSWER,
            **problems(*BODY_STATUSES, 402, 404, 409, 410),
            **BATCH_PROBLEM,
        },
        tags=["Events"],
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Report one event, or a batch.

        A response of 2xx means that the events are on disk. Sending an event again never counts it twice.
        """
        _ = request.data
        submission = decode_body(body_bytes(request))
        return report_events(request, submission)

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

    def response_to(self, request: Request, work: RoundReport, outcome: Outcome) -> Response:  # noqa: ARG002 - the protocol's
        """Return the response after the round."""
        return single_response(request, work.event.id, ReportOutcome(accepted=1, duplicates=0, rejected=()))

    @extend_schema(
        operation_id="list_events",
        summary="List events",
        parameters=[*EVENT_FILTERS, API_KEY_PARAMETER, *PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: EVENT_PAGE, **problems(404, 422)},
        tags=["Events"],
    )
    def get(self, request: Request) -> Response:
        """List the raw ledger, newest first, as far back as raw events are kept."""
        ledger = readable_ledger(request)
        filters = event_filters_of(request, ledger)
        body = read_page(request, lambda page: events_page(ledger=ledger, filters=filters, page=page), event_body)
        deleted = deleted_before()
        return Response({**body, "deleted_before": None if deleted is None else deleted[0]})


class EventView(ApiView):
    """`GET /events/{id}`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(
        operation_id="retrieve_event",
        summary="Retrieve an event",
        parameters=[EVENT_ID, TENANT_PARAMETER],
        responses={200: StoredEventSchema, **problems(404, 410, 422)},
        tags=["Events"],
    )
    def get(self, request: Request, event_id: str) -> Response:
        """Return one event, with its void if it has one."""
        return Response(event_body(existing_event(readable_ledger(request), event_id)))


class EventVoidView(ApiView):
    """`POST /events/{id}/void`, and GET for an event whose id ends in `/void`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ, "POST": Scope.EVENTS_WRITE}
    parser_classes = [ExactJSONParser]

    @extend_schema(
        operation_id="void_event",
        summary="Void an event",
        request=VoidRequestSchema,
        parameters=[EVENT_ID, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        responses={200: StoredEventSchema, **problems(*BODY_STATUSES, 402, 404, 409, 410)},
        tags=["Events"],
    )
    @idempotent()
    def post(self, request: Request, event_id: str) -> Response:
        """Void an event. It stays in the ledger, a void is added, and usage falls by it."""
        principal, tenant = principal_of(request), tenant_of(request)
        require_may_write(principal, tenant)
        ledger = ledger_of(principal, tenant)
        void_counted_event(
            ledger=ledger,
            event_id=event_id,
            reason=reason_of(request.data),
            voided_by=actor_of(request).label,
            as_of=timezone.now(),
        )
        return Response(event_body(existing_event(ledger, event_id)))

    @extend_schema(exclude=True)
    def get(self, request: Request, event_id: str) -> Response:
        """Return the event with the id `…/void`."""
        return Response(event_body(existing_event(readable_ledger(request), event_id + VOID_SUFFIX)))


def report_events(request: Request, submission: Submission) -> Response:
    """Check and store a submission, and return the response of the contract."""
    as_of, items = timezone.now(), submission.items
    strangers: list[Rejection] = []
    if principal_of(request).tenant is not None:
        reports = [report_of_tenant(request, items, parse_event, as_of)]
    else:
        names = [named_in(item) for item in items]
        if not submission.is_batch:
            tenant_of(request, names[0].tenant)  # a single event has no list of refused items: refuse the whole call
        reports, strangers = reports_of_service(request, items, names, as_of)
    outcome = store_reports(request, reports, as_of)
    if submission.is_batch:
        return batch_response(request, outcome, strangers, "events")
    return single_response(request, reports[0].events[0].id if reports[0].events else None, outcome)


def named_in(item: Item) -> EventNames:
    """Return the names in an event, even if its form is so wrong that it will be refused."""
    if isinstance(item, EventInput):
        return EventNames(item.id, item.tenant)
    if isinstance(item, Oversized):
        return EventNames()
    try:
        return _NAMES.decode(item)
    except msgspec.DecodeError:
        return EventNames()


def event_filters_of(request: Request, ledger: Ledger) -> EventFilters:
    """Read the filters of the list. Raises 404 for a key that is not the tenant's, 422 for a malformed value."""
    return EventFilters(
        type=text_of(request, "type"),
        subject=text_of(request, "subject"),
        api_key_id=api_key_of(request, ledger),
        start=instant_of(request, "start", ledger.time_zone),
        end=instant_of(request, "end", ledger.time_zone),
    )


def existing_event(ledger: Ledger, event_id: str) -> StoredEvent:
    """Return the event with this id. Raises 404 if it is unknown or another tenant's, 410 if it was deleted."""
    event = event_by_id(ledger=ledger, event_id=event_id)
    if event is None:
        refuse_deleted(ledger, event_id=event_id)
        raise NotFoundError("There is no event with this id.")
    return event


def event_body(event: StoredEvent) -> dict[str, object]:
    """Return a row of the ledger in the form of the contract. Numbers in properties stay exact."""
    void = event.void
    return {
        "id": event.id,
        "type": event.type,
        "timestamp": event.occurred_at,
        "quantity": event.quantity,
        "subject": event.subject,
        "properties": msgspec.Raw(event.properties_json.encode()),
        "api_key": event.api_key_id,
        "received_at": event.received_at,
        "void": void and {"reason": void.reason, "voided_by": void.voided_by, "voided_at": void.voided_at},
    }


def reason_of(data: object) -> str:
    """Read the body of a void. Raises 400 if it is malformed, 422 if the reason is empty or too long."""
    if not isinstance(data, dict):
        raise MalformedBodyError("The body is a JSON object.")
    if data.keys() != {"reason"} or not isinstance(data["reason"], str):
        raise _reason_error(MalformedBodyError, "required", "The body has one member, reason, which is a string.")
    reason: str = data["reason"]
    if not reason.strip() or len(reason) > REASON_CHARACTERS_MAX or not is_storable(reason):
        raise _reason_error(
            InvalidFieldsError, "invalid_reason", f"A reason has 1 to {REASON_CHARACTERS_MAX} characters."
        )
    return reason


def _reason_error(kind: type[ProblemError], code: str, detail: str) -> ProblemError:
    return kind(detail, field_errors=(FieldError("/reason", code, detail),))
