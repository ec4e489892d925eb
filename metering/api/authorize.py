"""`POST /authorize`: check whether a request may pass.

One atomic step checks every limit, and records the event only if all allow it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import principal_of
from accounts.api.fields import QuantityField
from accounts.api.idempotency import idempotent
from accounts.api.parsers import RawJSONParser, body_bytes, django_request
from accounts.api.problems import FORM_CODES
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import require_active, tenant_of
from accounts.api.views import ApiView
from accounts.domain.identifiers import uuid7
from accounts.domain.principal import Principal, TenantFacts
from accounts.domain.reach import WayIn, way_in
from accounts.domain.scopes import Scope
from accounts.errors import FieldError, MalformedBodyError
from metering.api.ordinary import Told, required
from metering.api.rate_limit_headers import limits_body, rate_limit_headers, refusal_error
from metering.api.reporting import rules_for
from metering.domain.event_input import parse_event
from metering.domain.events import ParsedEvent, Rejection
from metering.domain.exact_json import decode_object
from metering.domain.limit_policy import Decision
from metering.domain.rounds import Outcome, RoundQuestion, RoundReport
from metering.domain.texts import pointer_part
from metering.errors import EventRefusedError
from metering.services.limits.authorization import authorize, check_limits
from metering.services.rounds.requests import question_for_round, report_for_round

# Where a request keeps the id that was generated for it; no header can set it.
GENERATED_ID: Final = "countinghouse.event_id"
EVENT_FIELDS: Final = frozenset({"id", "type", "quantity", "subject", "properties", "tenant"})


class AnnouncedEventSchema(serializers.Serializer[Any]):
    """An event that may follow, in the form of the event that reports it."""

    type = serializers.CharField(max_length=100)
    id = serializers.CharField(
        max_length=255, required=False, help_text="Makes a retry safe. By default a new id is created."
    )
    quantity = QuantityField(required=False, help_text="Default 1.")
    subject = serializers.CharField(max_length=255, required=False, allow_null=True)
    properties = serializers.DictField(required=False, allow_null=True)
    tenant = serializers.SlugField(
        required=False, allow_null=True, help_text="The tenant's slug. Only with a service key."
    )


class AuthorizeSchema(AnnouncedEventSchema):
    """The request to authorize."""

    record = serializers.BooleanField(
        required=False, help_text="If false, only checks: nothing is taken or recorded. Default true."
    )


class LimitSchema(serializers.Serializer[Any]):
    """A limit and what remains of it."""

    name = serializers.CharField()
    limit = serializers.DecimalField(max_digits=20, decimal_places=9)
    remaining = serializers.DecimalField(max_digits=65, decimal_places=30)
    resets_at = serializers.DateTimeField(help_text="When a quota starts again, or a throttle is full again.")


class AuthorizedSchema(serializers.Serializer[Any]):
    """The response if the request is allowed."""

    allowed = serializers.BooleanField()
    event_id = serializers.CharField(allow_null=True, help_text="Null if `record` was false.")
    limits = LimitSchema(many=True)


class AuthorizeView(ApiView):
    """`POST /authorize`."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.EVENTS_WRITE}
    parser_classes = [RawJSONParser]
    statuses = frozenset({HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS})

    @extend_schema(
        operation_id="authorize_request",
        summary="Authorize and count a request",
        request=AuthorizeSchema,
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        responses={200: AuthorizedSchema, **problems(*BODY_STATUSES, 402, 404, 409, 429)},
        tags=["Authorization"],
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Check whether one request may pass, and count it if so.

        A retry with the same id is allowed and counts nothing.
        """
        as_of, principal = timezone.now(), principal_of(request)
        _ = request.data
        asked = asked_in(request, as_of)
        with way_in(WayIn.INGEST):
            decide = recorded_decision if asked.is_recorded else check_limits
            decision = decide(principal=principal, tenant=asked.tenant, event=asked.event, as_of=as_of)
        return authorized(decision, asked.event.id if asked.is_recorded else None, as_of).as_response()

    def work_of(self, request: Request, as_of: datetime) -> RoundReport | RoundQuestion:
        """Return the request as work for a round."""
        asked, principal = asked_in(request, as_of), principal_of(request)
        if asked.is_recorded:
            return required(
                report_for_round(
                    principal=principal, tenant=asked.tenant, event=asked.event, as_of=as_of, is_limited=True
                )
            )
        return required(question_for_round(principal=principal, tenant=asked.tenant, event=asked.event, as_of=as_of))

    def response_to(self, request: Request, work: RoundReport | RoundQuestion, outcome: Outcome) -> Told:  # noqa: ARG002 - the protocol's
        """Return the response after the round. Raises the 429."""
        assert work.claim is not None, "an authorization is decided by limits"
        assert outcome.decision is not None, "an authorization is decided by limits"
        event_id = work.event.id if isinstance(work, RoundReport) else None
        return authorized(outcome.decision, event_id, work.claim.as_of)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a body asks: the event that the request would be, and whether it is recorded."""

    tenant: TenantFacts
    event: ParsedEvent
    is_recorded: bool


def asked_in(request: Request, as_of: datetime) -> Asked:
    """Read the parsed body. Raises 400, 402, 404 or 422."""
    members = decode_object(body_bytes(request))
    tenant = tenant_named_in(request, members)
    require_active(tenant)
    is_recorded = record_flag(members)
    if "id" not in members:
        members["id"] = generated_id_of(request, as_of)
    event = event_of(members, tenant, as_of, accepts_tenant=principal_of(request).tenant is None)
    return Asked(tenant, event, is_recorded)


def generated_id_of(request: Request, as_of: datetime) -> str:
    """Return the id of the event of a request that names none: the same however often the request begins again."""
    generated: str = django_request(request).META.setdefault(GENERATED_ID, str(uuid7(as_of)))
    return generated


def recorded_decision(*, principal: Principal, tenant: TenantFacts, event: ParsedEvent, as_of: datetime) -> Decision:
    """Authorize and count, and return the decision alone."""
    return authorize(principal=principal, tenant=tenant, event=event, as_of=as_of).decision


def authorized(decision: Decision, event_id: str | None, as_of: datetime) -> Told:
    """Return the response to a request that may pass. Raises the 429 of one that may not."""
    if not decision.is_allowed:
        raise refusal_error(decision, as_of)
    body: dict[str, object] = {"allowed": True, "event_id": event_id, "limits": limits_body(decision.limits)}
    return Told(HTTPStatus.OK, body, rate_limit_headers(decision.limits, as_of))


def tenant_named_in(request: Request, members: Mapping[str, Any]) -> TenantFacts:
    """Return the key's tenant; for a service key the tenant that the body or the header names. Raises 400."""
    named = members.get("tenant")
    if named is not None and not isinstance(named, str):
        raise rejection_error(Rejection(0, None, "invalid_type", "The value is of another type.", "/tenant"))
    return tenant_of(request, named)


def record_flag(members: Mapping[str, Any]) -> bool:
    """Read `record`. Raises 400 if it is not a boolean."""
    value = members.get("record", True)
    if isinstance(value, bool):
        return value
    refused = FieldError("/record", "invalid_type", "True or false.")
    raise MalformedBodyError(refused.detail, field_errors=(refused,), code=refused.code)


def event_of(
    members: Mapping[str, Any],
    tenant: TenantFacts,
    as_of: datetime,
    *,
    accepts_tenant: bool,
    other_fields: frozenset[str] = frozenset({"record"}),
) -> ParsedEvent:
    """Read the event that the request would be. Raises what `POST /events` raises for the same fields."""
    # With a time a client could choose the period whose quota it uses, so the call has no such field.
    refuse_unknown(members, EVENT_FIELDS | other_fields)
    fields = {name: value for name, value in members.items() if name not in other_fields}
    verdict = parse_event(fields, 0, as_of, rules_for(tenant, as_of, accepts_tenant=accepts_tenant))
    if isinstance(verdict, Rejection):
        raise rejection_error(verdict)
    return verdict


def refuse_unknown(members: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise 422 for the first field that the call does not have."""
    for name in members:
        if name not in known:
            raise rejection_error(Rejection(0, None, "unknown_field", "No such field.", f"/{pointer_part(name)}"))


def rejection_error(rejection: Rejection) -> MalformedBodyError | EventRefusedError:
    """Return the problem of a malformed body (400), or of a refused field (422)."""
    kind = MalformedBodyError if rejection.code in FORM_CODES else EventRefusedError
    refused = FieldError(rejection.pointer, rejection.code, rejection.detail)
    return kind(rejection.detail, field_errors=(refused,), code=rejection.code)
