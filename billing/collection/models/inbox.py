"""The inbox of events from payment providers."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from billing.collection.models.provider import PROVIDER_CHARACTERS_MAX


class InboxStatus(models.TextChoices):
    """The status of an event that a provider delivered."""

    PENDING = "pending", "Pending"
    PROCESSED = "processed", "Processed"
    IGNORED = "ignored", "Ignored"
    FAILED = "failed", "Failed"


class InboxEvent(models.Model):
    """An event as its provider sent it, stored before the response, and the result of its processing."""

    provider = models.CharField(max_length=PROVIDER_CHARACTERS_MAX)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    payload = models.JSONField()
    status = models.CharField(max_length=9, choices=InboxStatus.choices, default=InboxStatus.PENDING)
    outcome = models.CharField(max_length=300, blank=True)
    error = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    deliveries = models.PositiveIntegerField(default=1)
    received_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    processed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="inbox_event_once"),
            models.CheckConstraint(condition=Q(status__in=InboxStatus.values), name="inbox_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=[InboxStatus.PENDING, InboxStatus.FAILED], processed_at=None)
                | Q(status__in=[InboxStatus.PROCESSED, InboxStatus.IGNORED], processed_at__isnull=False),
                name="inbox_processed_has_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(status__in=[InboxStatus.PENDING, InboxStatus.FAILED]),
                name="inbox_due",
            )
        ]
        ordering: ClassVar = ["-received_at", "-id"]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
