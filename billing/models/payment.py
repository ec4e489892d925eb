"""Money: attempts to pay, whoever reported them, what each payment pays for, and what was given back.

A payment's own words never change; `allocated_minor` and `refunded_minor` are the sums of its allocations and refunds,
changed in the transaction that adds one. `billing/migrations/payments.sql` holds that against the owner, too.
"""

from typing import ClassVar, Final

from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.models.catalog import CURRENCY
from billing.models.invoice import Invoice


class PaymentStatus(models.TextChoices):
    """How an attempt to pay ended. `unmatched` is money that paid for nothing when it came: see its exception."""

    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    UNMATCHED = "unmatched", "Unmatched"


MANUAL_PROVIDER: Final = "manual"  # a transfer that staff saw arrive


class Payment(models.Model):
    """One attempt to pay, as its provider reported it. `invoice` is the one that it was reported for, if any.

    `reference` is the provider's own name for the attempt.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="payments")
    invoice = models.ForeignKey(Invoice, null=True, blank=True, on_delete=models.PROTECT, related_name="payments")
    provider = models.CharField(max_length=20, help_text="The payment provider, or `manual` for a bank transfer.")
    reference = models.CharField(max_length=255)
    status = models.CharField(max_length=9, choices=PaymentStatus.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    error = models.CharField(max_length=200, blank=True)
    decline_code = models.CharField(max_length=60, blank=True, help_text="The provider's code of a decline.")
    is_final = models.BooleanField(
        default=False, help_text="Whether the bank says that another charge of the same card fails, too."
    )
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()
    allocated_minor = models.BigIntegerField(default=0, help_text="The part that pays invoices.")
    refunded_minor = models.BigIntegerField(default=0, help_text="The part that was refunded.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "reference", "status"], name="payment_once"),
            models.CheckConstraint(condition=Q(status__in=PaymentStatus.values), name="payment_status_known"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="payment_not_negative"),
            models.CheckConstraint(
                condition=Q(allocated_minor__gte=0, refunded_minor__gte=0)
                & Q(amount_minor__gte=F("allocated_minor") + F("refunded_minor")),
                name="payment_not_overspent",
            ),
            models.CheckConstraint(
                condition=~Q(status=PaymentStatus.FAILED) | Q(allocated_minor=0, refunded_minor=0),
                name="payment_failed_pays_nothing",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["tenant"],
                condition=~Q(status=PaymentStatus.FAILED)
                & Q(amount_minor__gt=F("allocated_minor") + F("refunded_minor")),
                name="payment_with_money_left",
            )
        ]
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.reference} {self.status}"

    @property
    def provider_title(self) -> str:
        """Return the provider as people read it."""
        return self.provider.replace("_", " ").capitalize()

    @property
    def unallocated_minor(self) -> int:
        """Return what of it is the customer's: it came in, pays for nothing, and was not given back."""
        if self.status == PaymentStatus.FAILED:
            return 0
        return self.amount_minor - self.allocated_minor - self.refunded_minor


class PaymentAllocation(models.Model):
    """What a payment pays of an invoice; a row over less than nothing takes back what an earlier one said."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="payment_allocations")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="allocations")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="allocations")
    amount_minor = models.BigIntegerField()
    reverses = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversals")
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, reverses=None) | Q(amount_minor__lt=0, reverses__isnull=False),
                name="payment_allocation_reverses_what_it_takes_back",
            ),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.payment.reference} for {self.invoice}"


class CreditSetOff(models.Model):
    """Credit that pays an invoice: its source is the subscription of the exception that says that it is left.

    A row over less than nothing takes back what an earlier one said.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="set_offs")
    exception = models.ForeignKey("billing.BillingException", on_delete=models.PROTECT, related_name="set_offs")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="set_offs")
    amount_minor = models.BigIntegerField()
    reverses = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversals")
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, reverses=None) | Q(amount_minor__lt=0, reverses__isnull=False),
                name="set_off_reverses_what_it_takes_back",
            ),
        ]
        ordering: ClassVar = ["-created_at", "-id"]
        verbose_name = "set-off"

    def __str__(self) -> str:
        return f"Credit for {self.invoice}"


class RefundWay(models.TextChoices):
    """How money was given back."""

    PROVIDER = "provider", "By the payment provider"
    CHARGEBACK = "chargeback", "By the bank, after a dispute"
    BANK_TRANSFER = "bank_transfer", "By bank transfer"
    OTHER = "other", "In another way"


class PaymentRefund(models.Model):
    """Money of a payment that was given back. `reference` is what the provider or the bank calls it.

    Without a reference the payment provider is asked to give it back. A row over less than nothing takes back an
    earlier one: the provider refused it, or the money came back.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="refunds")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    way = models.CharField(max_length=13, choices=RefundWay.choices)
    reference = models.CharField(max_length=255, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    reason = models.CharField(max_length=200)
    reverses = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversed_by", editable=False
    )
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["payment", "way", "reference"], condition=~Q(reference=""), name="refund_once"
            ),
            models.CheckConstraint(condition=Q(way__in=RefundWay.values), name="refund_way_known"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, reverses=None) | Q(amount_minor__lt=0, reverses__isnull=False),
                name="refund_gives_something_back",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="refund_has_reason"),
        ]
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"Refund of {self.payment.reference}"

    @property
    def given_minor(self) -> int:
        """Return the change of the customer's money with us: below 0 it was given back."""
        return -self.amount_minor


class DisputeState(models.TextChoices):
    """The state of a dispute. The bank has the money while it is open, and keeps it if it is lost."""

    INQUIRY = "inquiry", "Inquiry"
    OPEN = "open", "Open"
    WON = "won", "Won"
    LOST = "lost", "Lost"


class PaymentDispute(models.Model):
    """A cardholder's objection to a payment, as last described by the payment provider."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="disputes")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    reference = models.CharField(max_length=255, help_text="The provider's id.")
    state = models.CharField(max_length=7, choices=DisputeState.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    reason = models.CharField(max_length=100, blank=True, help_text="The reason in the provider's words.")
    answer_by = models.DateTimeField(null=True, help_text="Until then evidence can be sent at the provider.")
    occurred_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment", "reference"], name="dispute_once"),
            models.CheckConstraint(condition=Q(state__in=DisputeState.values), name="dispute_state_known"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="dispute_over_something"),
            models.CheckConstraint(
                condition=Q(state__in=[DisputeState.WON, DisputeState.LOST]) | Q(closed_at=None),
                name="dispute_open_is_not_closed",
            ),
        ]
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"Dispute of {self.payment.reference}"


class InvoiceHold(models.Model):
    """An invoice that is neither collected nor reminded of until staff decide: money that had paid it went back."""

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, primary_key=True, related_name="hold")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="invoice_holds")
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=~Q(reason=""), name="hold_has_reason")]
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"Hold of {self.invoice}"
