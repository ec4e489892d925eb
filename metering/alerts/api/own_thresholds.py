"""`/alert-thresholds`: the thresholds that a tenant adds to 80, 95 and 100 percent of its quotas."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of
from accounts.api.fields import QuantityField, StrictSerializer, TextField, WholeNumberField
from accounts.api.idempotency import idempotent
from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of, require_active
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from accounts.selectors.tenants import tenant_by_id
from metering.alerts.domain.alerts import PERCENT_MAX
from metering.alerts.domain.own_thresholds import OwnThresholdTerms
from metering.alerts.models import OwnThreshold
from metering.alerts.selectors.own_thresholds import (
    QuotaLimits,
    limits_with_alerts,
    own_threshold_of,
    own_thresholds_page,
)
from metering.alerts.services.own_thresholds import create_own_threshold, delete_own_threshold
from metering.domain.periods import Period

METER_CHARACTERS_MAX = 100


class AlertThresholdInput(StrictSerializer):
    """A new threshold: either `threshold` or `threshold_quantity`."""

    meter = TextField(max_length=METER_CHARACTERS_MAX, help_text="A meter's code.")
    quota_period = serializers.ChoiceField(choices=[one.value for one in Period])
    threshold = WholeNumberField(
        min_value=1, max_value=PERCENT_MAX, required=False, allow_null=True, help_text="In percent of the limit."
    )
    threshold_quantity = QuantityField(
        required=False, allow_null=True, help_text="In units of the meter, instead of a percentage."
    )


class AlertThresholdSchema(serializers.Serializer[Any]):
    """A threshold of the tenant's own."""

    id = serializers.UUIDField()
    meter = serializers.CharField()
    quota_period = serializers.ChoiceField(choices=[one.value for one in Period])
    threshold = serializers.IntegerField(min_value=1, max_value=PERCENT_MAX, allow_null=True)
    threshold_quantity = serializers.DecimalField(max_digits=20, decimal_places=9, allow_null=True)
    limit = serializers.DecimalField(
        max_digits=20,
        decimal_places=9,
        allow_null=True,
        help_text="The quota that it belongs to; null: the plan has none now, so that it raises no alert.",
    )
    created_at = serializers.DateTimeField()


class AlertThresholdPageSchema(serializers.Serializer[Any]):
    """A page of thresholds."""

    data = AlertThresholdSchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


def present_threshold(threshold: OwnThreshold, limits: QuotaLimits) -> dict[str, object]:
    """Return a threshold as the API shows it, with the limit of its quota."""
    return {
        "id": threshold.pk,
        "meter": threshold.meter.code,
        "quota_period": threshold.quota_period,
        "threshold": threshold.threshold,
        "threshold_quantity": threshold.threshold_quantity,
        "limit": limits.get((threshold.meter_id, threshold.quota_period)),
        "created_at": threshold.created_at,
    }


class AlertThresholdsView(ApiView):
    """List and create thresholds."""

    scopes: ClassVar = {"GET": Scope.BILLING_READ, "POST": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="list_alert_thresholds",
        tags=["Alerts"],
        summary="List alert thresholds",
        parameters=[*PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: AlertThresholdPageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the tenant's own thresholds, newest first. There are alerts at 80, 95 and 100 percent besides."""
        tenant = live_tenant_of(request)
        limits = limits_with_alerts(tenant_id=tenant.id)

        def present(threshold: OwnThreshold) -> dict[str, object]:
            return present_threshold(threshold, limits)

        return Response(
            read_page(request, lambda page: own_thresholds_page(tenant_id=tenant.id, request=page), present)
        )

    @extend_schema(
        operation_id="create_alert_threshold",
        tags=["Alerts"],
        summary="Create an alert threshold",
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        request=AlertThresholdInput,
        responses={201: AlertThresholdSchema, **problems(*BODY_STATUSES, 402, 404, 409)},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Create a threshold of a quota. Its alert is raised once a period, as those of the standard thresholds."""
        tenant = live_tenant_of(request)
        require_active(tenant)
        given = AlertThresholdInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        sent = given.validated_data
        terms = OwnThresholdTerms(
            meter_code=sent["meter"],
            period=Period(sent["quota_period"]),
            percent=sent.get("threshold"),
            quantity=sent.get("threshold_quantity"),
        )
        threshold = create_own_threshold(
            tenant=tenant_by_id(tenant.id), terms=terms, actor=actor_of(request), as_of=timezone.now()
        )
        body = present_threshold(threshold, limits_with_alerts(tenant_id=tenant.id))
        return Response(body, status.HTTP_201_CREATED)


class AlertThresholdView(ApiView):
    """One threshold."""

    scopes: ClassVar = {"GET": Scope.BILLING_READ, "DELETE": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="retrieve_alert_threshold",
        tags=["Alerts"],
        summary="Retrieve an alert threshold",
        parameters=[TENANT_PARAMETER],
        responses={200: AlertThresholdSchema, **problems(404, 422)},
    )
    def get(self, request: Request, threshold_id: UUID) -> Response:
        """Return one threshold."""
        tenant = live_tenant_of(request)
        threshold = own_threshold_of(tenant_id=tenant.id, threshold_id=threshold_id)
        return Response(present_threshold(threshold, limits_with_alerts(tenant_id=tenant.id)))

    @extend_schema(
        operation_id="delete_alert_threshold",
        tags=["Alerts"],
        summary="Delete an alert threshold",
        parameters=[TENANT_PARAMETER],
        responses={204: None, **problems(404, 422)},
    )
    def delete(self, request: Request, threshold_id: UUID) -> Response:
        """Delete a threshold. Its alerts stay."""
        threshold = own_threshold_of(tenant_id=live_tenant_of(request).id, threshold_id=threshold_id)
        delete_own_threshold(threshold=threshold, actor=actor_of(request), as_of=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
