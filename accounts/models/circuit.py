"""The state of external services: a row for each service that requests and jobs call over the network."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

NAME_CHARACTERS_MAX = 40
ERROR_CHARACTERS_MAX = 300


class CircuitState(models.TextChoices):
    """Closed: the service is called. Open: it is not. Half-open: the next caller tries it again."""

    CLOSED = "closed", "Available"
    OPEN = "open", "Unavailable"
    HALF_OPEN = "half_open", "Retrying"


class Circuit(models.Model):
    """The outcome of the last calls of all processes. Only `accounts.gateways.circuits` writes it."""

    name = models.CharField(max_length=NAME_CHARACTERS_MAX, primary_key=True)
    failures = models.PositiveIntegerField(default=0, help_text="The number of failed calls in a row.")
    trips = models.PositiveIntegerField(default=0, help_text="How many times in a row the circuit opened.")
    failed_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=ERROR_CHARACTERS_MAX, blank=True)
    opened_at = models.DateTimeField(null=True, help_text="The time since when the service is not called.")
    open_until = models.DateTimeField(null=True, help_text="The time of the next attempt.")
    probe_until = models.DateTimeField(null=True, help_text="The deadline of the call that tries the service again.")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(opened_at=None, open_until=None) | Q(opened_at__isnull=False, open_until__isnull=False),
                name="circuit_open_until",
            ),
        ]
        ordering: ClassVar = ["name"]
        verbose_name = "external service"

    def __str__(self) -> str:
        return self.name

    def state_at(self, as_of: datetime) -> CircuitState:
        """Return the state of the circuit at `as_of`."""
        if self.open_until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if as_of < self.open_until else CircuitState.HALF_OPEN
