"""Paths of the alerts app's API, below /api/v1/."""

from django.urls import URLPattern, path

from metering.alerts.api.alerts import AlertsView
from metering.alerts.api.operator_monitor import OperatorMonitorView
from metering.alerts.api.own_thresholds import AlertThresholdsView, AlertThresholdView

urlpatterns: list[URLPattern] = [
    path("alerts", AlertsView.as_view(), name="api-alerts"),
    path("alert-thresholds", AlertThresholdsView.as_view(), name="api-alert-thresholds"),
    path("alert-thresholds/<uuid:threshold_id>", AlertThresholdView.as_view(), name="api-alert-threshold"),
    path("operator/monitor", OperatorMonitorView.as_view(), name="api-operator-monitor"),
]
