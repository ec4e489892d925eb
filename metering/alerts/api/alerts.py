"""`GET /alerts`: crossed thresholds of quotas and budgets, anomalies and predicted crossings."""

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
from metering.alerts.domain.alerts import PERCENT_MAX, AlertKind
from metering.alerts.domain.anomalies import Pattern
from metering.alerts.models import ThresholdAlert
from metering.alerts.selectors.alerts import alerts_page, facts_of_alert
from metering.domain.periods import Period


class QuotaPeriodSchema(serializers.Serializer[Any]):
    """The start and the end of a quota's period; the end is excluded."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class CrossingSchema(serializers.Serializer[Any]):
    """The day on which a limit is expected to be reached, in the tenant's time zone, and the interval of it."""

    date = serializers.DateField()
    earliest = serializers.DateField()
    latest = serializers.DateField()


class AlertSchema(serializers.Serializer[Any]):
    """An alert. Each kind has its own fields; the others are null."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in AlertKind], help_text="What was found.")
    tenant = serializers.SlugField()
    subscription = serializers.UUIDField(allow_null=True)
    meter = serializers.CharField(allow_null=True)
    unit = serializers.CharField(allow_null=True)
    currency = serializers.CharField(
        allow_null=True, help_text="ISO 4217, of a budget in money: limit and quantity are in its minor units."
    )
    budget = serializers.UUIDField(allow_null=True, help_text="The budget, which may have been deleted since.")
    api_key = serializers.UUIDField(allow_null=True, help_text="The key whose usage it is; null: the tenant's.")
    subject = serializers.CharField(allow_null=True, help_text="The subject whose usage it is.")
    quota_period = serializers.ChoiceField(choices=[period.value for period in Period], allow_null=True)
    period = QuotaPeriodSchema(allow_null=True)
    threshold = serializers.IntegerField(
        min_value=1, max_value=PERCENT_MAX, allow_null=True, help_text="The threshold in percent of the limit."
    )
    threshold_quantity = serializers.DecimalField(
        max_digits=20, decimal_places=9, allow_null=True, help_text="A threshold that is a quantity, not a percentage."
    )
    limit = serializers.DecimalField(max_digits=20, decimal_places=9, allow_null=True)
    quantity = serializers.DecimalField(
        max_digits=38, decimal_places=9, help_text="The usage when the alert was created."
    )
    percent = serializers.DecimalField(max_digits=40, decimal_places=2, allow_null=True)
    pattern = serializers.ChoiceField(
        choices=[pattern.value for pattern in Pattern], allow_null=True, help_text="What is unusual in an anomaly."
    )
    window_start = serializers.DateTimeField(allow_null=True, help_text="Start of the hours of an anomaly.")
    window_end = serializers.DateTimeField(allow_null=True, help_text="Their end when it was found; excluded.")
    expected = serializers.DecimalField(
        max_digits=38,
        decimal_places=9,
        allow_null=True,
        help_text="What an anomaly's quantity was expected to be; of a forecast or budget, the period's end.",
    )
    crosses_on = CrossingSchema(allow_null=True, help_text="When a forecast expects the limit to be reached.")
    occurred_at = serializers.DateTimeField(help_text="When it was found.")


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
        summary="List alerts",
        parameters=[*PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: AlertPageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the tenant's alerts, the newest first."""
        tenant = live_tenant_of(request)

        def present(alert: ThresholdAlert) -> dict[str, object]:
            return facts_of_alert(alert, tenant=tenant).as_body()

        return Response(read_page(request, lambda page: alerts_page(tenant_id=tenant.id, request=page), present))
