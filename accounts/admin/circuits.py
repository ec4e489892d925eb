"""Whether what is outside answers: payment providers, the mail server."""

from django.contrib import admin
from django.utils import timezone
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

    @display(description="State", label=STATE_LABELS)
    def state(self, circuit: Circuit) -> str:
        """Return whether it is asked now."""
        return str(circuit.state_at(timezone.now()).label)
