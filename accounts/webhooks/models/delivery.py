"""Deliveries: one event to one endpoint, with all attempts to send it."""

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from accounts.notices.models import OutboxEvent
from accounts.webhooks.domain.statuses import DeliveryStatus
from accounts.webhooks.models.endpoint import WebhookEndpoint


class WebhookDelivery(models.Model):
    """An event for an endpoint. A replay starts a new round of attempts of the same delivery.

    `attempts_in_round` counts those that are part of the schedule; the rows of attempts are the whole history.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="webhook_deliveries")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(OutboxEvent, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    event_type = models.CharField(max_length=60)
    sequence = models.BigIntegerField()
    status = models.CharField(
        max_length=9,
        choices=[(status.value, status.value.capitalize()) for status in DeliveryStatus],
        default=DeliveryStatus.PENDING.value,
    )
    attempts_in_round = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    replays = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="webhook_delivery_once"),
            models.CheckConstraint(condition=Q(status__in=list(DeliveryStatus)), name="webhook_delivery_status_known"),
            models.CheckConstraint(
                condition=Q(status=DeliveryStatus.PENDING, next_attempt_at__isnull=False, ended_at=None)
                | (~Q(status=DeliveryStatus.PENDING) & Q(next_attempt_at=None, ended_at__isnull=False)),
                name="webhook_delivery_pending_has_next_attempt",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=Q(status=DeliveryStatus.PENDING),
                name="webhook_delivery_due",
            ),
            models.Index(fields=["tenant", "-created_at", "-id"], name="webhook_delivery_of_tenant"),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="webhook_delivery_of_endpoint"),
            BrinIndex(fields=["created_at"], name="webhook_delivery_age"),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


class WebhookAttempt(models.Model):
    """One attempt to send a delivery: what was signed, what came back, and how long it took."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)
    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)
    milliseconds = models.PositiveIntegerField()
    signature = models.TextField(help_text="The header `webhook-signature`, as it was sent.")
    response = models.TextField(blank=True, help_text="The beginning of the response.")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status_code__isnull=False) | ~Q(error=""), name="webhook_attempt_without_status_has_error"
            ),
        ]
        ordering: ClassVar = ["at", "id"]

    def __str__(self) -> str:
        return str(self.status_code or self.error)
