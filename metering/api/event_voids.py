"""`/events/{id}/void`: void an event, and store the one that replaces it, if the body names one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of, principal_of
from accounts.api.idempotency import idempotent
from accounts.api.parsers import ExactJSONParser, body_object
from accounts.api.problems import FORM_CODES
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import tenant_of
from accounts.api.views import ApiView
from accounts.domain.principal import TenantFacts
from accounts.domain.scopes import Scope
from accounts.errors import FieldError, InvalidFieldsError, MalformedBodyError, ProblemError
from metering.api.events import event_body, existing_event, source_of
from metering.api.events_schema import EVENT_ID, EVENT_SOURCE, StoredEventSchema, VoidRequestSchema
from metering.api.ledger_access import readable_ledger, require_may_write
from metering.api.reporting import rules_for
from metering.domain.event_input import parse_event
from metering.domain.events import ParsedEvent, Rejection
from metering.domain.exact_json import decode_object
from metering.domain.texts import is_storable
from metering.errors import EventRefusedError
from metering.selectors.events import StoredEvent
from metering.selectors.limits import ledger_of
from metering.services.event_voids import amend_counted_event, void_counted_event

REASON_CHARACTERS_MAX: Final = 500
VOID_SUFFIX: Final = "/void"
_REPLACEMENT: Final = "replacement"


class EventVoidView(ApiView):
    """`POST /events/{id}/void`, and GET for an event whose id ends in `/void`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ, "POST": Scope.EVENTS_WRITE}
    parser_classes = [ExactJSONParser]

    @extend_schema(
        operation_id="void_event",
        summary="Void or amend an event",
        request=VoidRequestSchema,
        parameters=[EVENT_ID, EVENT_SOURCE, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        responses={200: StoredEventSchema, **problems(*BODY_STATUSES, 402, 404, 409, 410)},
        tags=["Events"],
    )
    @idempotent()
    def post(self, request: Request, event_id: str) -> Response:
        """Void an event. It stays in the ledger, a void is added, and usage falls by it.

        With a `replacement` the event is amended: the new event is stored in the same transaction, under an id of its
        own, and each of the two names the other.
        """
        principal, tenant = principal_of(request), tenant_of(request)
        require_may_write(principal, tenant)
        ledger, source, as_of = ledger_of(principal, tenant), source_of(request), timezone.now()
        members = body_object(request)
        reason, replacement = reason_of(members), replacement_in(members)
        voided_by = actor_of(request).label
        if replacement is None:
            void_counted_event(
                ledger=ledger, event_id=event_id, source=source, reason=reason, voided_by=voided_by, as_of=as_of
            )
        else:
            amended = existing_event(ledger, event_id, source)
            amend_counted_event(
                ledger=ledger,
                event_id=event_id,
                replacement=replacement_of(amended, replacement, tenant, as_of),
                api_key_id=principal.key_id,
                reason=reason,
                voided_by=voided_by,
                as_of=as_of,
            )
        return Response(event_body(existing_event(ledger, event_id, source)))

    @extend_schema(exclude=True)
    def get(self, request: Request, event_id: str) -> Response:
        """Return the event with the id `…/void`."""
        found = existing_event(readable_ledger(request), event_id + VOID_SUFFIX, source_of(request))
        return Response(event_body(found))


def replacement_of(
    amended: StoredEvent, members: Mapping[str, Any], tenant: TenantFacts, as_of: datetime
) -> ParsedEvent:
    """Return the event that replaces `amended`: what `members` names, and the rest as it was. Raises 400 and 422.

    It may be as old as the amended event, whatever the tenant's backfill window is.
    """
    kept: dict[str, Any] = {
        "type": amended.type,
        "timestamp": amended.occurred_at,
        "quantity": amended.quantity,
        "subject": amended.subject,
        "properties": decode_object(amended.properties_json.encode()),
    }
    rules = rules_for(tenant, as_of, accepts_tenant=False)
    rules = msgspec.structs.replace(rules, window_start=min(rules.window_start, amended.occurred_at))
    verdict = parse_event(kept | dict(members), 0, as_of, rules, source=amended.source)
    if isinstance(verdict, Rejection):
        kind = MalformedBodyError if verdict.code in FORM_CODES else EventRefusedError
        pointer = f"/{_REPLACEMENT}{verdict.pointer}"
        refused = FieldError(pointer, verdict.code, verdict.detail)
        raise kind(verdict.detail, field_errors=(refused,), code=verdict.code)
    return verdict


def replacement_in(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the members of the replacement, or None if the event is only voided. Raises 400."""
    if _REPLACEMENT not in data:
        return None
    members = data[_REPLACEMENT]
    if not isinstance(members, dict):
        refused = FieldError(f"/{_REPLACEMENT}", "invalid_type", "A replacement is a JSON object.")
        raise MalformedBodyError(refused.detail, field_errors=(refused,))
    return members


def reason_of(data: Mapping[str, Any]) -> str:
    """Read the reason of a void. Raises 400 if the body is malformed, 422 if the reason is empty or too long."""
    if data.keys() - {_REPLACEMENT} != {"reason"} or not isinstance(data["reason"], str):
        detail = "The body has the member reason, which is a string, and may have replacement; it has no other."
        raise _reason_error(MalformedBodyError, "required", detail)
    reason: str = data["reason"]
    if not reason.strip() or len(reason) > REASON_CHARACTERS_MAX or not is_storable(reason):
        raise _reason_error(
            InvalidFieldsError, "invalid_reason", f"A reason has 1 to {REASON_CHARACTERS_MAX} characters."
        )
    return reason


def _reason_error(kind: type[ProblemError], code: str, detail: str) -> ProblemError:
    return kind(detail, field_errors=(FieldError("/reason", code, detail),))
