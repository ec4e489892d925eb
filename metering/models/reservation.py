"""Reservations: quota that a program holds before it does the work, and whether it was used or released."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from metering.domain.canonical import EVENT_KEY_BYTES
from metering.domain.reservations import ReservationState
from metering.querysets import LedgerQuerySet


class Reservation(models.Model):
    """Quota held for one event that may follow.

    `holds` is JSON of what counters hold for it, and counts while `is_holding` is true and `expires_at` is not
    reached. `properties` is canonical JSON, as text: the event is stored with exactly these bytes.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant_id = models.UUIDField()
    is_live = models.BooleanField()
    api_key_id = models.UUIDField()
    state = models.CharField(
        max_length=9, choices=[(state.value, state.value.capitalize()) for state in ReservationState]
    )
    key = models.BinaryField(max_length=EVENT_KEY_BYTES)
    content_hash = models.BinaryField()
    event_id = models.TextField()
    type = models.CharField(max_length=100)
    quantity = models.DecimalField(max_digits=29, decimal_places=9)
    committed_quantity = models.DecimalField(max_digits=29, decimal_places=9, null=True)
    subject = models.TextField(null=True)  # noqa: DJ001 - absent and empty differ in what the client sent
    properties = models.TextField()
    holds = models.TextField()
    is_holding = models.BooleanField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = LedgerQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in ReservationState]), name="reservation_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="held", ended_at=None, is_holding=True)
                | (~Q(state="held") & Q(ended_at__isnull=False)),
                name="reservation_ended_when_not_held",
            ),
            models.CheckConstraint(
                condition=Q(state="committed", committed_quantity__isnull=False)
                | (~Q(state="committed") & Q(committed_quantity=None)),
                name="reservation_committed_with_quantity",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="reservation_expires_after_creation"
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "is_live", "key"],
                condition=Q(state="held"),
                name="reservation_once_held_for_an_event",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["tenant_id", "is_live", "expires_at"],
                condition=Q(is_holding=True),
                name="reservation_holding",
            ),
            models.Index(fields=["-created_at", "-id"], name="reservation_by_time"),
            models.Index(fields=["ended_at"], name="reservation_by_end"),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} {self.type} for {self.event_id}"
