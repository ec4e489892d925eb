"""`POST /reservations`: hold quota before the work, then commit what was used, or release it."""

from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import principal_of
from accounts.api.fields import QuantityField
from accounts.api.idempotency import idempotent
from accounts.api.parsers import RawJSONParser, body_bytes
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import require_active
from accounts.api.views import ApiView
from accounts.domain.reach import WayIn, way_in
from accounts.domain.scopes import Scope
from metering.api.authorize import (
    AnnouncedEventSchema,
    LimitSchema,
    event_of,
    generated_id_of,
    refuse_unknown,
    rejection_error,
    tenant_named_in,
)
from metering.api.rate_limit_headers import limits_body, rate_limit_headers, refusal_error
from metering.domain.events import Rejection
from metering.domain.exact_json import decode_object
from metering.domain.quantities import read_quantity
from metering.domain.reservations import EXPIRES_IN_SECONDS_DEFAULT, EXPIRES_IN_SECONDS_MAX
from metering.services.limits.reservations import commit_reservation, release_reservation, reserve

EXPIRES_IN: Final = "expires_in"
QUANTITY: Final = "quantity"
TENANT: Final = "tenant"


class ReserveSchema(AnnouncedEventSchema):
    """The event that may follow, and for how long its quota is held."""

    expires_in = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=EXPIRES_IN_SECONDS_MAX,
        help_text=f"Seconds after which the reservation releases itself. Default {EXPIRES_IN_SECONDS_DEFAULT}.",
    )


class ReservationSchema(serializers.Serializer[Any]):
    """The reservation that was made."""

    id = serializers.UUIDField()
    expires_at = serializers.DateTimeField()
    limits = LimitSchema(many=True)


class CommitSchema(serializers.Serializer[Any]):
    """What was used."""

    quantity = QuantityField(required=False, help_text="Default: what was held.")
    tenant = serializers.SlugField(
        required=False, allow_null=True, help_text="The tenant's slug. Only with a service key."
    )


class CommittedSchema(serializers.Serializer[Any]):
    """The event that was recorded."""

    event_id = serializers.CharField()
    quantity = QuantityField()


class ReleaseSchema(serializers.Serializer[Any]):
    """Nothing, or the tenant."""

    tenant = serializers.SlugField(
        required=False, allow_null=True, help_text="The tenant's slug. Only with a service key."
    )


class ReservationsView(ApiView):
    """`POST /reservations`."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.EVENTS_WRITE}
    parser_classes = [RawJSONParser]

    @extend_schema(
        operation_id="create_reservation",
        summary="Create a reservation",
        request=ReserveSchema,
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        responses={201: ReservationSchema, **problems(*BODY_STATUSES, 402, 404, 409, 429)},
        tags=["Authorization"],
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Hold quota for an event that may follow.

        Commit it with what was used, or release it; a reservation that is neither releases itself when it expires. The
        same `id` again returns the same reservation. The event occurs when it was reserved.
        """
        as_of, principal = timezone.now(), principal_of(request)
        _ = request.data
        members = decode_object(body_bytes(request))
        tenant = tenant_named_in(request, members)
        require_active(tenant)
        seconds = seconds_in(members)
        if "id" not in members:
            members["id"] = generated_id_of(request, as_of)
        event = event_of(
            members,
            tenant,
            as_of,
            accepts_tenant=principal.tenant is None,
            other_fields=frozenset({EXPIRES_IN}),
        )
        with way_in(WayIn.INGEST):
            reserved = reserve(principal=principal, tenant=tenant, event=event, expires_in_seconds=seconds, as_of=as_of)
        if reserved.reservation is None:
            raise refusal_error(reserved.decision, as_of)
        limits = reserved.decision.limits
        body = {
            "id": reserved.reservation.id,
            "expires_at": reserved.reservation.expires_at,
            "limits": limits_body(limits),
        }
        return Response(body, status=HTTPStatus.CREATED, headers=rate_limit_headers(limits, as_of))


class ReservationCommitView(ApiView):
    """`POST /reservations/{id}/commit`."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.EVENTS_WRITE}
    parser_classes = [RawJSONParser]

    @extend_schema(
        operation_id="commit_reservation",
        summary="Commit a reservation",
        request=CommitSchema,
        parameters=[TENANT_PARAMETER],
        responses={200: CommittedSchema, **problems(*BODY_STATUSES, 404, 409, 429)},
        tags=["Authorization"],
    )
    def post(self, request: Request, reservation_id: UUID) -> Response:
        """Record what was used, and free the rest.

        More than was held is recorded if the quota has room; else the answer is 429, and the reservation stays. The
        same commit again returns the same answer, so a retry is safe without an `Idempotency-Key`.
        """
        as_of = timezone.now()
        members = members_in(request, frozenset({QUANTITY, TENANT}))
        tenant = tenant_named_in(request, members)
        quantity = None
        if QUANTITY in members:
            try:
                quantity = Decimal(read_quantity(members[QUANTITY]))
            except ValueError as error:
                raise rejection_error(Rejection(0, None, "invalid_quantity", str(error), "/quantity")) from error
        with way_in(WayIn.INGEST):
            committed = commit_reservation(
                principal=principal_of(request),
                tenant=tenant,
                reservation_id=reservation_id,
                quantity=quantity,
                as_of=as_of,
            )
        if not committed.decision.is_allowed:
            raise refusal_error(committed.decision, as_of)
        body = {"event_id": committed.event_id, "quantity": committed.quantity}
        return Response(body, headers=rate_limit_headers(committed.decision.limits, as_of))


class ReservationReleaseView(ApiView):
    """`POST /reservations/{id}/release`."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.EVENTS_WRITE}
    parser_classes = [RawJSONParser]

    @extend_schema(
        operation_id="release_reservation",
        summary="Release a reservation",
        request=ReleaseSchema,
        parameters=[TENANT_PARAMETER],
        responses={204: None, **problems(*BODY_STATUSES, 404, 409)},
        tags=["Authorization"],
    )
    def post(self, request: Request, reservation_id: UUID) -> Response:
        """Free what is held, and record nothing. May be repeated."""
        tenant = tenant_named_in(request, members_in(request, frozenset({TENANT})))
        with way_in(WayIn.INGEST):
            release_reservation(
                principal=principal_of(request), tenant=tenant, reservation_id=reservation_id, as_of=timezone.now()
            )
        return Response(status=HTTPStatus.NO_CONTENT)


def members_in(request: Request, known: frozenset[str]) -> dict[str, Any]:
    """Return the members of a body that may be left out. Raises 400, and 422 for an unknown field."""
    _ = request.data
    body = body_bytes(request)
    members = decode_object(body) if body else {}
    refuse_unknown(members, known)
    return members


def seconds_in(members: Mapping[str, Any]) -> int:
    """Read `expires_in`. Raises 400 if it is no whole number, 422 if it is out of bounds."""
    seconds = members.get(EXPIRES_IN, EXPIRES_IN_SECONDS_DEFAULT)
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise rejection_error(Rejection(0, None, "invalid_type", "A whole number of seconds.", f"/{EXPIRES_IN}"))
    if not 1 <= seconds <= EXPIRES_IN_SECONDS_MAX:
        detail = f"From 1 to {EXPIRES_IN_SECONDS_MAX} seconds."
        raise rejection_error(Rejection(0, None, "invalid_expires_in", detail, f"/{EXPIRES_IN}"))
    return seconds
