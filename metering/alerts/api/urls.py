"""Paths of the alerts app's API, below /api/v1/."""

from django.urls import URLPattern, path

from metering.alerts.api.alerts import AlertsView
from metering.alerts.api.operator_monitor import OperatorMonitorView

urlpatterns: list[URLPattern] = [
    path("alerts", AlertsView.as_view(), name="api-alerts"),
    path("operator/monitor", OperatorMonitorView.as_view(), name="api-operator-monitor"),
]
