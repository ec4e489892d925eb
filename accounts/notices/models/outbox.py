"""The outbox for webhooks."""

from typing import ClassVar

from django.db import models

from accounts.models import Tenant


class OutboxEvent(models.Model):
    """An event in the form of the contract's webhooks, written in the transaction in which it happened."""

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="outbox_events")
    type = models.CharField(max_length=60)
    payload = models.JSONField()
    dedupe_key = models.CharField(max_length=200, unique=True)
    occurred_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-occurred_at", "-id"]
        # Replays of a span read a tenant's events by their time.
        indexes: ClassVar = [models.Index(fields=["tenant", "occurred_at"], name="outbox_event_of_tenant")]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class UnsentEvent(models.Model):
    """An event that no endpoint has a delivery of yet. The event itself never changes, so its queue is this row."""

    event = models.OneToOneField(OutboxEvent, primary_key=True, on_delete=models.PROTECT, related_name="unsent")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)

    def __str__(self) -> str:
        return str(self.event_id)
