"""What came of collecting: payments, the events that Stripe sent, and the usage that was pushed to it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from billing.models.catalog import CURRENCY
from billing.models.invoice import Invoice
from metering.models import Meter


class PaymentStatus(models.TextChoices):
    """How an attempt to pay ended. `unmatched` is money that came and settles nothing: see its exception."""

    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    UNMATCHED = "unmatched", "Unmatched"


class PaymentProvider(models.TextChoices):
    """Through whom was paid; `manual` is a transfer that staff saw arrive."""

    STRIPE = "stripe", "Stripe"
    MANUAL = "manual", "Manual"


class Payment(models.Model):
    """One attempt to pay an invoice, as its provider told it. `reference` is the provider's own name for the attempt."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    provider = models.CharField(max_length=10, choices=PaymentProvider.choices)
    reference = models.CharField(max_length=255)
    status = models.CharField(max_length=9, choices=PaymentStatus.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    error = models.CharField(max_length=200, blank=True)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "reference", "status"], name="payment_once"),
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(status=PaymentStatus.SUCCEEDED), name="payment_one_success"
            ),
            models.CheckConstraint(condition=Q(status__in=PaymentStatus.values), name="payment_status_known"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="payment_not_negative"),
        ]
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.reference} {self.status}"


class InboxStatus(models.TextChoices):
    """What became of an event that Stripe sent."""

    PENDING = "pending", "Pending"
    PROCESSED = "processed", "Processed"
    IGNORED = "ignored", "Ignored"
    FAILED = "failed", "Failed"


class StripeInboxEvent(models.Model):
    """An event as Stripe sent it, stored before it was answered, and what processing it did."""

    id = models.CharField(max_length=255, primary_key=True)
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
            models.CheckConstraint(condition=Q(status__in=InboxStatus.values), name="stripe_inbox_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=[InboxStatus.PENDING, InboxStatus.FAILED], processed_at=None)
                | Q(status__in=[InboxStatus.PROCESSED, InboxStatus.IGNORED], processed_at__isnull=False),
                name="stripe_inbox_processed_has_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(status__in=[InboxStatus.PENDING, InboxStatus.FAILED]),
                name="stripe_inbox_due",
            )
        ]
        ordering: ClassVar = ["-received_at", "-id"]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class PushStatus(models.TextChoices):
    """How a push of usage ended. Stripe's refusal of a duplicate means that it has it."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    DUPLICATE = "duplicate", "Delivered before"
    REJECTED = "rejected", "Rejected"


class UsagePush(models.Model):
    """A meter's total of one UTC hour, as it was pushed to Stripe. A correction is a new revision with the new total."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="usage_pushes")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="usage_pushes")
    hour = models.DateTimeField()
    revision = models.PositiveIntegerField(default=1)
    quantity = models.DecimalField(max_digits=38, decimal_places=9)
    identifier = models.CharField(max_length=200, unique=True)
    status = models.CharField(max_length=9, choices=PushStatus.choices, default=PushStatus.PENDING)
    error = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "meter", "hour", "revision"], name="usage_push_once"),
            models.CheckConstraint(condition=Q(status__in=PushStatus.values), name="usage_push_status_known"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], condition=Q(status=PushStatus.PENDING), name="usage_push_pending")
        ]
        ordering: ClassVar = ["-hour", "-revision"]
        verbose_name_plural = "usage pushes"

    def __str__(self) -> str:
        return self.identifier
