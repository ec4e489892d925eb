"""The state of external services: payment providers, the mail server."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.models import Circuit

STATE_LABELS = {"Available": "success", "Unavailable": "danger", "Retrying": "warning"}


@admin.register(Circuit)
class CircuitAdmin(ReadOnlyModelAdmin):
    """The external services that have failed at least once."""

    list_display = ("name", "state", "failures", "opened_at", "open_until", "failed_at", "error")
    fields = ("name", "state", "failures", "trips", "opened_at", "open_until", "failed_at", "error")
    readonly_fields = ("state",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add PostgreSQL's time, by which circuits open, to each row."""
        timed: QuerySet[Any] = super().get_queryset(request).annotate(asked_at=Now())
        return timed

    @display(description="State", label=STATE_LABELS)
    def state(self, circuit: Any) -> str:
        """Return whether the service is available now."""
        return str(circuit.state_at(circuit.asked_at).label)
