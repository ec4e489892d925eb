"""`POST /operator/monitor`: run the scheduled check of thresholds now."""

from time import perf_counter
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of
from accounts.api.idempotency import idempotent
from accounts.api.operator import OperatorView
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, problems
from accounts.selectors.tenants import tenants_named
from metering.alerts.api.alerts import AlertSchema
from metering.alerts.services.monitoring import run_monitor
from metering.api.operator_aggregate import TenantsInput, seconds_field, seconds_since, slugs_of


class MonitorSchema(serializers.Serializer[Any]):
    """The result of a check of all quotas."""

    checked_at = serializers.DateTimeField()
    tenants = serializers.IntegerField(help_text="How many tenants have a quota that was checked.")
    alert_count = serializers.IntegerField(help_text="How many alerts were created.")
    seconds = seconds_field()
    alerts = AlertSchema(many=True, help_text="The new alerts.")


class OperatorMonitorView(OperatorView):
    """`POST /operator/monitor`."""

    @extend_schema(
        operation_id="run_monitoring",
        tags=["Operations"],
        summary="Run the threshold checks",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=TenantsInput,
        responses={200: MonitorSchema, **problems(*BODY_STATUSES, 409)},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Raise the alerts that are due, and return them. Alerts that were raised before are not repeated."""
        started, found = perf_counter(), tenants_named(slugs_of(request))
        actor = actor_of(request)
        result = run_monitor(
            started_by=actor.label, tenant_ids=list(found.values()) or None, actor=actor, as_of=timezone.now()
        )
        alerts = [alert.facts.as_body() for alert in result.alerts]
        return Response(
            {
                "checked_at": result.checked_at,
                "tenants": result.tenants,
                "alert_count": len(alerts),
                "seconds": seconds_since(started),
                "alerts": alerts,
            }
        )
