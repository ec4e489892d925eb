"""Paths of the metering app's API, below /api/v1/. `events` itself is in `metering.proofs.api.urls`."""

from django.urls import URLPattern, path, register_converter

from metering.api.access_logs import AccessLogsView
from metering.api.authorize import AuthorizeView
from metering.api.budgets import BudgetsView, BudgetView
from metering.api.converters import EventIdConverter
from metering.api.demo import DemoDataView, DemoExampleView, DemoRandomStringsView
from metering.api.event_voids import EventVoidView
from metering.api.events import EventView
from metering.api.forward import ForwardAuthorizeView
from metering.api.operator_aggregate import OperatorAggregateView
from metering.api.operator_product_codes import OperatorProductCodesView, OperatorProductCodeView
from metering.api.reservations import ReservationCommitView, ReservationReleaseView, ReservationsView
from metering.api.usage import DailyUsageView, MonthlyUsageView, QueryUsageView, RealtimeUsageView

register_converter(EventIdConverter, "event_id")

urlpatterns: list[URLPattern] = [
    path("events/<event_id:event_id>/void", EventVoidView.as_view(), name="api-event-void"),
    path("events/<event_id:event_id>", EventView.as_view(), name="api-event"),
    path("access-logs", AccessLogsView.as_view(), name="api-access-logs"),
    path("authorize", AuthorizeView.as_view(), name="api-authorize"),
    path("authorize/forward", ForwardAuthorizeView.as_view(), name="api-authorize-forward"),
    path("reservations", ReservationsView.as_view(), name="api-reservations"),
    path("reservations/<uuid:reservation_id>/commit", ReservationCommitView.as_view(), name="api-reservation-commit"),
    path(
        "reservations/<uuid:reservation_id>/release", ReservationReleaseView.as_view(), name="api-reservation-release"
    ),
    path("budgets", BudgetsView.as_view(), name="api-budgets"),
    path("budgets/<uuid:budget_id>", BudgetView.as_view(), name="api-budget"),
    path("demo/example", DemoExampleView.as_view(), name="api-demo-example"),
    path("demo/data", DemoDataView.as_view(), name="api-demo-data"),
    path("demo/random/strings", DemoRandomStringsView.as_view(), name="api-demo-random-strings"),
    path("usage/monthly", MonthlyUsageView.as_view(), name="api-usage-monthly"),
    path("usage/daily", DailyUsageView.as_view(), name="api-usage-daily"),
    path("usage/realtime", RealtimeUsageView.as_view(), name="api-usage-realtime"),
    path("usage/query", QueryUsageView.as_view(), name="api-usage-query"),
    path("operator/product-codes", OperatorProductCodesView.as_view(), name="api-operator-product-codes"),
    path("operator/product-codes/<str:code>", OperatorProductCodeView.as_view(), name="api-operator-product-code"),
    path("operator/aggregate", OperatorAggregateView.as_view(), name="api-operator-aggregate"),
]
