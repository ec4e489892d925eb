"""The API's addresses of billing, below `/api/v1/`."""

from django.urls import URLPattern, path

from billing.api.alerts import AlertsView
from billing.api.operator_invoices import OperatorInvoicesView
from billing.api.operator_monitor import OperatorAggregateView, OperatorMonitorView

urlpatterns: list[URLPattern] = [
    path("alerts", AlertsView.as_view(), name="api-alerts"),
    path("operator/monitor", OperatorMonitorView.as_view(), name="api-operator-monitor"),
    path("operator/aggregate", OperatorAggregateView.as_view(), name="api-operator-aggregate"),
    path("operator/invoices", OperatorInvoicesView.as_view(), name="api-operator-invoices"),
]
