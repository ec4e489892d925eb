"""`/webhook-deliveries`: what was sent to a tenant's endpoints, and replays."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of
from accounts.api.fields import InstantField, StrictSerializer
from accounts.api.idempotency import idempotent
from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from accounts.errors import FieldError, InvalidFieldsError
from accounts.webhooks.api.presentation import DeliverySchema, present_delivery
from accounts.webhooks.domain.statuses import DeliveryStatus
from accounts.webhooks.selectors.deliveries import deliveries_page, delivery_of_tenant
from accounts.webhooks.selectors.endpoints import endpoint_of_tenant
from accounts.webhooks.services.replaying import replay_delivery, replay_span

FAILED, ALL = "failed", "all"


class DeliveryPageSchema(serializers.Serializer[Any]):
    """A page of deliveries."""

    data = DeliverySchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class ReplayInput(StrictSerializer):
    """What to send again: by default all that failed."""

    start = InstantField(required=False, allow_null=True, default=None, help_text="By default from the first event.")
    end = InstantField(required=False, allow_null=True, default=None, help_text="By default until now.")
    only = serializers.ChoiceField(
        choices=[FAILED, ALL],
        required=False,
        default=FAILED,
        help_text="`failed`: deliveries that failed. `all`: every event of the span, also those never sent.",
    )


class ReplaySchema(serializers.Serializer[Any]):
    """How many deliveries are sent again."""

    deliveries = serializers.IntegerField()


def _endpoint_id_of(request: Request) -> UUID | None:
    text = request.query_params.get("endpoint", "")
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise _refused("/endpoint", "The id of a webhook endpoint.") from error


def _status_of(request: Request) -> str:
    text = str(request.query_params.get("status", ""))
    if text and text not in set(DeliveryStatus):
        raise _refused("/status", f"One of {', '.join(DeliveryStatus)}.")
    return text


def _refused(pointer: str, detail: str) -> InvalidFieldsError:
    return InvalidFieldsError(detail, field_errors=(FieldError(pointer, "invalid_filter", detail),))


class DeliveriesView(ApiView):
    """List deliveries."""

    scopes: ClassVar = {"GET": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="list_webhook_deliveries",
        tags=["Webhooks"],
        summary="List webhook deliveries",
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter("endpoint", UUID, description="Only deliveries to this endpoint."),
            OpenApiParameter(
                "status", str, enum=[one.value for one in DeliveryStatus], description="Only of this status."
            ),
            TENANT_PARAMETER,
        ],
        responses={200: DeliveryPageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List deliveries with up to 50 of their newest attempts, the newest delivery first."""
        tenant, endpoint_id, wanted = live_tenant_of(request), _endpoint_id_of(request), _status_of(request)
        return Response(
            read_page(
                request,
                lambda page: deliveries_page(tenant_id=tenant.id, request=page, endpoint_id=endpoint_id, status=wanted),
                present_delivery,
            )
        )


class DeliveryReplayView(ApiView):
    """Send a delivery again."""

    scopes: ClassVar = {"POST": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="replay_webhook_delivery",
        tags=["Webhooks"],
        summary="Replay a webhook delivery",
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        request=None,
        responses={202: DeliverySchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    @idempotent()
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Send a delivery again under the same message id, with a new round of attempts."""
        delivery = delivery_of_tenant(tenant_id=live_tenant_of(request).id, delivery_id=delivery_id)
        again = replay_delivery(delivery=delivery, actor=actor_of(request), as_of=timezone.now())
        return Response(present_delivery(again), status.HTTP_202_ACCEPTED)


class EndpointReplayView(ApiView):
    """Send many deliveries of an endpoint again."""

    scopes: ClassVar = {"POST": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="replay_webhook_deliveries",
        tags=["Webhooks"],
        summary="Replay the deliveries of a webhook endpoint",
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        request=ReplayInput,
        responses={202: ReplaySchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    @idempotent()
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send again what failed, or every event of a span, at most 10,000 at once."""
        endpoint = endpoint_of_tenant(tenant_id=live_tenant_of(request).id, endpoint_id=endpoint_id)
        given = ReplayInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        wanted = given.validated_data
        number = replay_span(
            endpoint=endpoint,
            start=wanted["start"],
            end=wanted["end"],
            is_only_failed=wanted["only"] == FAILED,
            actor=actor_of(request),
            as_of=timezone.now(),
        )
        return Response({"deliveries": number}, status.HTTP_202_ACCEPTED)
