"""`/operator/tenants`: tenants, for the operator's own programs and staff."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import ApiKeyAuthentication, StaffSessionAuthentication, actor_of
from accounts.api.fields import StrictSerializer, TextField, WholeNumberField
from accounts.api.idempotency import idempotent
from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.parsers import body_object
from accounts.api.permissions import IsOperator
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, problems
from accounts.api.views import ApiView
from accounts.domain.transitions import TenantStatus
from accounts.errors import FieldError, InvalidFieldsError, PermissionMissingError
from accounts.models import Tenant, User
from accounts.selectors.tenants import tenant_by_slug, tenants_page
from accounts.services.tenants import change_tenant_status, open_tenant, update_tenant


class SettingsInput(StrictSerializer):
    """The settings of a tenant; every name is optional."""

    time_zone = TextField(required=False, max_length=64, help_text="IANA name.")
    currency = TextField(required=False, max_length=3, help_text="ISO 4217.")
    backfill_days = WholeNumberField(required=False, help_text="The age in days up to which events are accepted.")
    legal_name = TextField(required=False, allow_blank=True, max_length=200)
    billing_email = TextField(required=False, allow_blank=True, max_length=254)
    address_line1 = TextField(required=False, allow_blank=True, max_length=200)
    address_line2 = TextField(required=False, allow_blank=True, max_length=200)
    postal_code = TextField(required=False, allow_blank=True, max_length=20)
    city = TextField(required=False, allow_blank=True, max_length=100)
    region = TextField(required=False, allow_blank=True, max_length=100)
    country = TextField(required=False, allow_blank=True, max_length=2, help_text="ISO 3166-1, two letters.")
    tax_id = TextField(required=False, allow_blank=True, max_length=50)


class TenantInput(SettingsInput):
    """A new tenant."""

    name = TextField(max_length=120)
    slug = TextField(required=False, max_length=50, help_text="By default derived from the name.")
    owner_email = TextField(required=False, max_length=254, help_text="Invited as the owner.")


class TenantChange(SettingsInput):
    """Changes to a tenant; every name is optional."""

    name = TextField(required=False, max_length=120)
    status = serializers.ChoiceField(choices=[status.value for status in TenantStatus], required=False)
    status_reason = TextField(
        required=False, allow_blank=True, max_length=200, help_text="The reason for a change of status."
    )


class TenantSchema(serializers.Serializer[Any]):
    """A tenant."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in TenantStatus])
    status_reason = serializers.CharField()
    time_zone = serializers.CharField()
    currency = serializers.CharField()
    backfill_days = serializers.IntegerField()
    legal_name = serializers.CharField()
    billing_email = serializers.CharField()
    address_line1 = serializers.CharField()
    address_line2 = serializers.CharField()
    postal_code = serializers.CharField()
    city = serializers.CharField()
    region = serializers.CharField()
    country = serializers.CharField()
    tax_id = serializers.CharField()
    created_at = serializers.DateTimeField()


class TenantPageSchema(serializers.Serializer[Any]):
    """A page of tenants."""

    data = TenantSchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


SHOWN = tuple(TenantSchema().fields)


def present_tenant(tenant: Tenant) -> dict[str, object]:
    """Return what the operator sees of a tenant."""
    return {name: getattr(tenant, name) for name in SHOWN}


class OperatorView(ApiView):
    """A view for a service key with the scope `operator`, or for staff with Django's permission on tenants."""

    authentication_classes = [ApiKeyAuthentication, StaffSessionAuthentication]
    permission_classes = [IsOperator]


class OperatorTenantsView(OperatorView):
    """List and create tenants."""

    @extend_schema(
        operation_id="list_tenants",
        tags=["Tenants"],
        summary="List tenants",
        parameters=PAGE_PARAMETERS,
        responses={200: TenantPageSchema, **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """List tenants, the newest first."""
        return Response(read_page(request, tenants_page, present_tenant))

    @extend_schema(
        operation_id="create_tenant",
        tags=["Tenants"],
        summary="Create a tenant",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=TenantInput,
        responses={201: TenantSchema, **problems(*BODY_STATUSES, 409)},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Create a tenant, and invite its owner if an address is given."""
        given = TenantInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        settings = dict(given.validated_data)
        actor, as_of = actor_of(request), timezone.now()
        tenant = open_tenant(
            name=settings.pop("name"),
            slug=settings.pop("slug", None),
            owner=None,
            owner_email=settings.pop("owner_email", None),
            settings=settings,
            actor=actor,
            as_of=as_of,
        )
        return Response(present_tenant(tenant), status.HTTP_201_CREATED)


class OperatorTenantView(OperatorView):
    """Show and update one tenant."""

    @extend_schema(
        operation_id="retrieve_tenant",
        tags=["Tenants"],
        summary="Retrieve a tenant",
        responses={200: TenantSchema, **problems(404)},
    )
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - the handler's signature
        """Return a tenant."""
        return Response(present_tenant(tenant_by_slug(slug)))

    @extend_schema(
        operation_id="update_tenant",
        tags=["Tenants"],
        summary="Update a tenant",
        request=TenantChange,
        responses={200: TenantSchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    def patch(self, request: Request, slug: str) -> Response:
        """Update settings, the status, or both at once. Suspending takes effect within a second.

        Closing is final. A member of staff needs a separate permission for it and must give a reason.
        """
        given = TenantChange(data=body_object(request))
        given.is_valid(raise_exception=True)
        changes = dict(given.validated_data)
        status, reason = changes.pop("status", None), changes.pop("status_reason", "")
        if status == TenantStatus.CLOSED:
            _check_may_close(request, reason)
        actor, as_of = actor_of(request), timezone.now()
        with transaction.atomic():
            tenant = update_tenant(tenant=tenant_by_slug(slug), changes=changes, actor=actor, as_of=as_of)
            if status is not None:
                tenant = change_tenant_status(
                    tenant=tenant, status=TenantStatus(status), reason=reason, actor=actor, as_of=as_of
                )
        return Response(present_tenant(tenant))


def _check_may_close(request: Request, reason: str) -> None:
    """Check of staff what the admin checks. The operator's programs may close by their scope."""
    if not isinstance(request.user, User):
        return
    if not request.user.has_perm("accounts.close_tenant"):
        raise PermissionMissingError("Closing a tenant needs a separate permission.")
    if not reason.strip():
        needed = FieldError("/status_reason", "required", "Enter the reason. The tenant's members see it.")
        raise InvalidFieldsError(needed.detail, field_errors=(needed,))
