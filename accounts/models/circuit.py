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
    failures = models.PositiveIntegerField(default=0, help_text="Calls in a row that were not answered.")
    trips = models.PositiveIntegerField(default=0, help_text="Times in a row that it was given up.")
    failed_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=ERROR_CHARACTERS_MAX, blank=True)
    opened_at = models.DateTimeField(null=True, help_text="Since when it is not asked.")
    open_until = models.DateTimeField(null=True, help_text="When it is tried again.")
    probe_until = models.DateTimeField(null=True, help_text="Until when the caller that tries it has time.")

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
