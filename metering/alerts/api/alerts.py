"""`GET /alerts`: which shares of its quotas a tenant has crossed."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.schema import TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from metering.alerts.domain.alerts import THRESHOLD_KIND
from metering.alerts.models import THRESHOLDS, ThresholdAlert
from metering.alerts.selectors.alerts import alerts_page, facts_of_alert
from metering.domain.periods import Period


class QuotaPeriodSchema(serializers.Serializer[Any]):
    """The start and the end of a quota's period; the end is excluded."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class AlertSchema(serializers.Serializer[Any]):
    """A crossed threshold of a quota."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=[THRESHOLD_KIND], help_text="What was found.")
    tenant = serializers.SlugField()
    subscription = serializers.UUIDField(allow_null=True)
    meter = serializers.CharField()
    unit = serializers.CharField()
    quota_period = serializers.ChoiceField(choices=[period.value for period in Period])
    period = QuotaPeriodSchema()
    threshold = serializers.ChoiceField(choices=THRESHOLDS, help_text="The threshold in percent of the quota.")
    limit = serializers.DecimalField(max_digits=20, decimal_places=9)
    quantity = serializers.DecimalField(
        max_digits=38, decimal_places=9, help_text="The usage when the alert was created."
    )
    percent = serializers.DecimalField(max_digits=40, decimal_places=2)
    occurred_at = serializers.DateTimeField(help_text="When the threshold was found crossed.")


class AlertPageSchema(serializers.Serializer[Any]):
    """A page of alerts."""

    data = AlertSchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class AlertsView(ApiView):
    """`GET /alerts`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="list_alerts",
        tags=["Alerts"],
        summary="List threshold alerts",
        parameters=[*PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: AlertPageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the crossed shares (80, 95, 100 percent) of the tenant's quotas, the newest first."""
        tenant = live_tenant_of(request)

        def present(alert: ThresholdAlert) -> dict[str, object]:
            return facts_of_alert(alert, tenant=tenant.slug, time_zone=tenant.time_zone).as_body()

        return Response(read_page(request, lambda page: alerts_page(tenant_id=tenant.id, request=page), present))
