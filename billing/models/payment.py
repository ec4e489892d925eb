"""What came of asking for money: attempts to pay, whoever told of them."""

from typing import ClassVar, Final

from django.db import models
from django.db.models import Q

from billing.models.catalog import CURRENCY
from billing.models.invoice import Invoice


class PaymentStatus(models.TextChoices):
    """How an attempt to pay ended. `unmatched` is money that came and settles nothing: see its exception."""

    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    UNMATCHED = "unmatched", "Unmatched"


MANUAL_PROVIDER: Final = "manual"  # a transfer that staff saw arrive


class Payment(models.Model):
    """One attempt to pay an invoice, as its provider told it.

    `reference` is the provider's own name for the attempt.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    provider = models.CharField(max_length=20, help_text="Through whom was paid: a payment provider, or `manual`.")
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

    @property
    def provider_title(self) -> str:
        """Return the provider as people read it."""
        return self.provider.replace("_", " ").capitalize()
