"""Events that were not stored, and why, for the live debugger. Bounded in number and age."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Verdict(models.TextChoices):
    """The reason why a sent event is not a new row of the ledger."""

    DUPLICATE = "duplicate", "Duplicate"
    CONFLICT = "conflict", "Conflict"
    REJECTED = "rejected", "Rejected"


class IngestVerdict(models.Model):
    """One event that was sent and not stored."""

    tenant_id = models.UUIDField()
    is_live = models.BooleanField()
    received_at = models.DateTimeField()
    api_key_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=128, blank=True)
    event_id = models.CharField(max_length=255, blank=True)
    source = models.CharField(max_length=1024, blank=True, default="")
    event_type = models.CharField(max_length=100, blank=True)
    verdict = models.CharField(max_length=9, choices=Verdict.choices)
    code = models.CharField(max_length=60)
    detail = models.CharField(max_length=500)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(verdict__in=Verdict.values), name="ingest_verdict_known")
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant_id", "is_live", "-received_at", "-id"], name="ingest_verdict_by_tenant"),
            models.Index(fields=["received_at"], name="ingest_verdict_by_time"),
        ]
        ordering: ClassVar = ["-received_at", "-id"]

    def __str__(self) -> str:
        return f"{self.verdict} {self.event_id}"
