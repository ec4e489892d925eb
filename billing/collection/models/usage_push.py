"""The copy of our meters' totals at a provider that keeps meters."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from billing.collection.models.provider import PROVIDER_CHARACTERS_MAX
from metering.models import Meter


class PushStatus(models.TextChoices):
    """The status of a push of usage. If a provider refuses a duplicate, it already has it."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    DUPLICATE = "duplicate", "Delivered before"
    REJECTED = "rejected", "Rejected"


class UsagePush(models.Model):
    """A meter's total of one UTC hour, as it was pushed to a provider.

    A correction is a new revision with the new total.
    """

    provider = models.CharField(max_length=PROVIDER_CHARACTERS_MAX)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="usage_pushes")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="usage_pushes")
    hour = models.DateTimeField()
    revision = models.PositiveIntegerField(default=1)
    quantity = models.DecimalField(max_digits=38, decimal_places=9)
    identifier = models.CharField(max_length=200)
    status = models.CharField(max_length=9, choices=PushStatus.choices, default=PushStatus.PENDING)
    error = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "tenant", "meter", "hour", "revision"], name="usage_push_once"),
            models.UniqueConstraint(fields=["provider", "identifier"], name="usage_push_identifier_once"),
            models.CheckConstraint(condition=Q(status__in=PushStatus.values), name="usage_push_status_known"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], condition=Q(status=PushStatus.PENDING), name="usage_push_pending")
        ]
        ordering: ClassVar = ["-hour", "-revision"]
        verbose_name_plural = "usage pushes"

    def __str__(self) -> str:
        return self.identifier
