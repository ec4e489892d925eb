"""`/operator/tenants`: tenants, for the operator.

They stand here, above accounts, since a new tenant is put on a usage plan, and a new time zone has usage cut anew.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of
from accounts.api.fields import TextField
from accounts.api.operator import OperatorTenantsView, OperatorView, SettingsInput, TenantSchema, present_tenant
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, problems
from accounts.domain.actor import Actor
from accounts.domain.transitions import TenantStatus
from accounts.models import Tenant
from accounts.selectors.tenants import tenant_by_slug
from accounts.services.tenants import change_tenant_status
from metering.services.tenants import change_tenant
from metering.services.usage_plans import assign_default_usage_plan


class PlannedTenantsView(OperatorTenantsView):
    """The list, and making tenants, each on the default usage plan."""

    def equip(self, tenant: Tenant, actor: Actor, as_of: datetime) -> None:
        """Put the tenant on the default usage plan, if there is one."""
        assign_default_usage_plan(tenant=tenant, actor=actor, as_of=as_of)


class TenantChange(SettingsInput):
    """What is to change; every name is optional."""

    name = TextField(required=False, max_length=120)
    status = serializers.ChoiceField(choices=[status.value for status in TenantStatus], required=False)
    status_reason = TextField(required=False, allow_blank=True, max_length=200, help_text="Goes with a status.")


class OperatorTenantView(OperatorView):
    """One tenant, shown and changed."""

    @extend_schema(
        operation_id="retrieve_tenant",
        tags=["Tenants"],
        summary="Retrieve a tenant",
        responses={200: TenantSchema, **problems(404)},
    )
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - the handler's signature
        """Show a tenant."""
        return Response(present_tenant(tenant_by_slug(slug)))

    @extend_schema(
        operation_id="update_tenant",
        tags=["Tenants"],
        summary="Update a tenant",
        request=TenantChange,
        responses={200: TenantSchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    def patch(self, request: Request, slug: str) -> Response:
        """Change settings, the status, or both at once; suspending is effective within a second."""
        given = TenantChange(data=body_object(request))
        given.is_valid(raise_exception=True)
        changes = dict(given.validated_data)
        status, reason = changes.pop("status", None), changes.pop("status_reason", "")
        actor, as_of = actor_of(request), timezone.now()
        with transaction.atomic():
            tenant = change_tenant(tenant=tenant_by_slug(slug), changes=changes, actor=actor, as_of=as_of)
            if status is not None:
                tenant = change_tenant_status(
                    tenant=tenant, status=TenantStatus(status), reason=reason, actor=actor, as_of=as_of
                )
        return Response(present_tenant(tenant))
