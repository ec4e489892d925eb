"""Whether what is outside answers: payment providers, the mail server."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.models import Circuit

STATE_LABELS = {"Answers": "success", "Does not answer": "danger", "Is tried again": "warning"}


@admin.register(Circuit)
class CircuitAdmin(ReadOnlyModelAdmin):
    """A row for each service outside that did not answer at least once."""

    list_display = ("name", "state", "failures", "opened_at", "open_until", "failed_at", "error")
    fields = ("name", "state", "failures", "trips", "opened_at", "open_until", "failed_at", "error")
    readonly_fields = ("state",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the time of the clock that opens circuits: PostgreSQL's."""
        timed: QuerySet[Any] = super().get_queryset(request).annotate(asked_at=Now())
        return timed

    @display(description="State", label=STATE_LABELS)
    def state(self, circuit: Any) -> str:
        """Return whether it is asked now."""
        return str(circuit.state_at(circuit.asked_at).label)
