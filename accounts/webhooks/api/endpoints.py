"""`/webhook-endpoints`: a tenant's endpoints. A secret is only in the response to a creation or a rotation, once."""

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of
from accounts.api.fields import BoundedListField, StrictSerializer, TextField, WholeNumberField
from accounts.api.idempotency import idempotent
from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of, require_active
from accounts.api.views import ApiView
from accounts.domain.public_addresses import URL_CHARACTERS_MAX
from accounts.domain.scopes import Scope
from accounts.selectors.tenants import tenant_by_id
from accounts.webhooks.api.presentation import DeliverySchema, present_delivery, present_endpoint
from accounts.webhooks.domain.event_types import EVENT_TYPES
from accounts.webhooks.domain.statuses import EndpointStatus
from accounts.webhooks.domain.terms import DESCRIPTION_CHARACTERS_MAX, GRACE_DEFAULT, GRACE_MAX
from accounts.webhooks.models import WebhookEndpoint
from accounts.webhooks.selectors.endpoints import endpoint_of_tenant, endpoints_page
from accounts.webhooks.services.endpoints import change_endpoint, create_endpoint, delete_endpoint, rotate_secret
from accounts.webhooks.services.replaying import send_test

TYPE_CHARACTERS_MAX = 60


class EndpointInput(StrictSerializer):
    """A new endpoint."""

    url = TextField(
        max_length=URL_CHARACTERS_MAX,
        help_text="https:// or http://, a public host, no user name. A host name is checked at every connection.",
    )
    event_types = BoundedListField(
        child=TextField(max_length=TYPE_CHARACTERS_MAX),
        max_length=len(EVENT_TYPES),
        required=False,
        allow_null=True,
        default=list,
        help_text=f"Of: {', '.join(EVENT_TYPES)}. None: all, also types that come later.",
    )
    description = TextField(
        max_length=DESCRIPTION_CHARACTERS_MAX, required=False, allow_blank=True, allow_null=True, default=""
    )


class EndpointChangeInput(StrictSerializer):
    """What changes; anything that is left out stays."""

    url = TextField(max_length=URL_CHARACTERS_MAX, required=False)
    event_types = BoundedListField(
        child=TextField(max_length=TYPE_CHARACTERS_MAX),
        max_length=len(EVENT_TYPES),
        required=False,
        allow_null=True,
        help_text="An empty list: all types.",
    )
    description = TextField(max_length=DESCRIPTION_CHARACTERS_MAX, required=False, allow_blank=True, allow_null=True)
    status = serializers.ChoiceField(
        choices=[EndpointStatus.ACTIVE.value, EndpointStatus.PAUSED.value],
        required=False,
        help_text="`paused` keeps events until the endpoint is `active` again. `active` also enables a disabled one.",
    )


class SecretRotationInput(StrictSerializer):
    """How long the earlier secret signs too."""

    grace_seconds = WholeNumberField(
        required=False,
        default=int(GRACE_DEFAULT.total_seconds()),
        min_value=0,
        max_value=int(GRACE_MAX.total_seconds()),
        help_text="0 ends the earlier secret at once.",
    )


class EndpointSchema(serializers.Serializer[Any]):
    """An endpoint without its secret."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    event_types = serializers.ListField(child=serializers.CharField(), help_text="Empty: all types.")
    description = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=[one.value for one in EndpointStatus])
    disabled_because = serializers.ChoiceField(
        choices=["gone", "failing"],
        allow_null=True,
        help_text="`gone`: it returned 410. `failing`: nothing has reached it for five days.",
    )
    failing_since = serializers.DateTimeField(allow_null=True, help_text="Since when every attempt failed.")
    created_at = serializers.DateTimeField()


class CreatedEndpointSchema(EndpointSchema):
    """A new endpoint with its secret, shown this once."""

    secret = serializers.CharField()


class EndpointPageSchema(serializers.Serializer[Any]):
    """A page of endpoints."""

    data = EndpointSchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class RotatedSecretSchema(serializers.Serializer[Any]):
    """The new secret, shown this once."""

    secret = serializers.CharField()
    expires_previous_at = serializers.DateTimeField(help_text="Until when the earlier secret signs too.")


def _endpoint(request: Request, endpoint_id: UUID) -> WebhookEndpoint:
    return endpoint_of_tenant(tenant_id=live_tenant_of(request).id, endpoint_id=endpoint_id)


class EndpointsView(ApiView):
    """List and create endpoints."""

    scopes: ClassVar = {"GET": Scope.WEBHOOKS_MANAGE, "POST": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="list_webhook_endpoints",
        tags=["Webhooks"],
        summary="List webhook endpoints",
        parameters=[*PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: EndpointPageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the tenant's endpoints, newest first."""
        tenant = live_tenant_of(request)
        return Response(
            read_page(request, lambda page: endpoints_page(tenant_id=tenant.id, request=page), present_endpoint)
        )

    @extend_schema(
        operation_id="create_webhook_endpoint",
        tags=["Webhooks"],
        summary="Create a webhook endpoint",
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        request=EndpointInput,
        responses={201: CreatedEndpointSchema, **problems(*BODY_STATUSES, 402, 404, 409)},
    )
    @idempotent(is_sealed=True)
    def post(self, request: Request) -> Response:
        """Create an endpoint. It is sent the events that occur from now on. The secret is only in this response."""
        tenant = live_tenant_of(request)
        require_active(tenant)
        given = EndpointInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        terms = given.validated_data
        created = create_endpoint(
            tenant=tenant_by_id(tenant.id),
            url=terms["url"],
            event_types=terms["event_types"] or (),
            description=terms["description"] or "",
            actor=actor_of(request),
            as_of=timezone.now(),
        )
        body = {**present_endpoint(created.endpoint), "secret": created.secret}
        return Response(body, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class EndpointView(ApiView):
    """One endpoint."""

    scopes: ClassVar = {
        "GET": Scope.WEBHOOKS_MANAGE,
        "PATCH": Scope.WEBHOOKS_MANAGE,
        "DELETE": Scope.WEBHOOKS_MANAGE,
    }

    @extend_schema(
        operation_id="retrieve_webhook_endpoint",
        tags=["Webhooks"],
        summary="Retrieve a webhook endpoint",
        parameters=[TENANT_PARAMETER],
        responses={200: EndpointSchema, **problems(404, 422)},
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """Return one endpoint."""
        return Response(present_endpoint(_endpoint(request, endpoint_id)))

    @extend_schema(
        operation_id="update_webhook_endpoint",
        tags=["Webhooks"],
        summary="Update a webhook endpoint",
        parameters=[TENANT_PARAMETER],
        request=EndpointChangeInput,
        responses={200: EndpointSchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change the URL, the types or the description; pause, resume, or enable a disabled endpoint."""
        endpoint = _endpoint(request, endpoint_id)
        given = EndpointChangeInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        nothing: dict[str, object] = {"event_types": (), "description": ""}
        wanted = {name: nothing.get(name) if value is None else value for name, value in given.validated_data.items()}
        changed = change_endpoint(endpoint=endpoint, actor=actor_of(request), as_of=timezone.now(), **wanted)
        return Response(present_endpoint(changed))

    @extend_schema(
        operation_id="delete_webhook_endpoint",
        tags=["Webhooks"],
        summary="Delete a webhook endpoint",
        parameters=[TENANT_PARAMETER],
        responses={204: None, **problems(404, 422)},
    )
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Delete an endpoint with its deliveries. Nothing is sent to it any more."""
        delete_endpoint(endpoint=_endpoint(request, endpoint_id), actor=actor_of(request), as_of=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class EndpointSecretView(ApiView):
    """Replace an endpoint's secret."""

    scopes: ClassVar = {"POST": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="rotate_webhook_secret",
        tags=["Webhooks"],
        summary="Rotate the secret of a webhook endpoint",
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        request=SecretRotationInput,
        responses={200: RotatedSecretSchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    @idempotent(is_sealed=True)
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Create a new secret. Until the grace ends each message has two signatures, the new secret's first."""
        endpoint = _endpoint(request, endpoint_id)
        given = SecretRotationInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        rotated = rotate_secret(
            endpoint=endpoint,
            grace=timedelta(seconds=given.validated_data["grace_seconds"]),
            actor=actor_of(request),
            as_of=timezone.now(),
        )
        body = {"secret": rotated.secret, "expires_previous_at": rotated.expires_previous_at}
        return Response(body, headers={"Cache-Control": "no-store"})


class EndpointTestView(ApiView):
    """Test an endpoint."""

    scopes: ClassVar = {"POST": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="test_webhook_endpoint",
        tags=["Webhooks"],
        summary="Test a webhook endpoint",
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        request=None,
        responses={202: DeliverySchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    @idempotent()
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send a `webhook.test` to this endpoint, whatever types it chose."""
        endpoint = _endpoint(request, endpoint_id)
        delivery = send_test(endpoint=endpoint, actor=actor_of(request), as_of=timezone.now())
        return Response(present_delivery(delivery), status.HTTP_202_ACCEPTED)
