"""Paths of proofs, below /api/v1/, and of `events`, whose response may have a receipt."""

from django.urls import URLPattern, path, register_converter

from metering.api.converters import EventIdConverter
from metering.proofs.api.events import ReceiptedEventsView
from metering.proofs.api.proofs import DayProofView, EventProofView

register_converter(EventIdConverter, "proven_event_id")

urlpatterns: list[URLPattern] = [
    path("events", ReceiptedEventsView.as_view(), name="api-events"),
    path("proofs/events/<proven_event_id:event_id>", EventProofView.as_view(), name="api-proof-event"),
    path("proofs/<str:day>", DayProofView.as_view(), name="api-proof-day"),
]
