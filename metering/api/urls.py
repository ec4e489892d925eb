"""Paths of the metering app's API, below /api/v1/."""

from django.urls import URLPattern, path, register_converter

from metering.api.access_logs import AccessLogsView
from metering.api.authorize import AuthorizeView
from metering.api.demo import DemoDataView, DemoExampleView, DemoRandomStringsView
from metering.api.events import EventsView, EventView, EventVoidView
from metering.api.operator_aggregate import OperatorAggregateView
from metering.api.usage import DailyUsageView, MonthlyUsageView, QueryUsageView, RealtimeUsageView


class EventIdConverter:
    """An event's id, which may contain any character: slashes and line ends too."""

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        """Return the id unchanged."""
        return value

    def to_url(self, value: str) -> str:
        """Return the id unchanged; Django percent-encodes it."""
        return value


register_converter(EventIdConverter, "event_id")

urlpatterns: list[URLPattern] = [
    path("events", EventsView.as_view(), name="api-events"),
    path("events/<event_id:event_id>/void", EventVoidView.as_view(), name="api-event-void"),
    path("events/<event_id:event_id>", EventView.as_view(), name="api-event"),
    path("access-logs", AccessLogsView.as_view(), name="api-access-logs"),
    path("authorize", AuthorizeView.as_view(), name="api-authorize"),
    path("demo/example", DemoExampleView.as_view(), name="api-demo-example"),
    path("demo/data", DemoDataView.as_view(), name="api-demo-data"),
    path("demo/random/strings", DemoRandomStringsView.as_view(), name="api-demo-random-strings"),
    path("usage/monthly", MonthlyUsageView.as_view(), name="api-usage-monthly"),
    path("usage/daily", DailyUsageView.as_view(), name="api-usage-daily"),
    path("usage/realtime", RealtimeUsageView.as_view(), name="api-usage-realtime"),
    path("usage/query", QueryUsageView.as_view(), name="api-usage-query"),
    path("operator/aggregate", OperatorAggregateView.as_view(), name="api-operator-aggregate"),
]
