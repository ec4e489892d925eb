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

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
