"""A tenant, a subscription and an invoice at a payment provider.

A provider's name is an open text: see its registry.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from billing.collection.domain.provider import AgreementState
from billing.models import Invoice, PaymentRefund, Subscription

PROVIDER_CHARACTERS_MAX = 20
REFERENCE_CHARACTERS_MAX = 255


class ProviderCustomer(models.Model):
    """A tenant as a provider's customer, and the card that its invoices are charged to.

    `revision` counts how often the provider's state was applied: a worker that applies it passes the one it read.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="provider_customers")
    provider = models.CharField(max_length=PROVIDER_CHARACTERS_MAX)
    reference = models.CharField(max_length=REFERENCE_CHARACTERS_MAX, help_text="The provider's id.")
    card_label = models.CharField("card", max_length=60, blank=True, help_text="As in Visa ending in 4242.")
    revision = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "provider"], name="provider_customer_one_per_tenant"),
            models.UniqueConstraint(fields=["provider", "reference"], name="provider_customer_one_per_reference"),
        ]
        ordering: ClassVar = ["tenant", "provider"]

    def __str__(self) -> str:
        return self.reference


class ProviderChoice(models.Model):
    """The provider that staff chose for a tenant. Without one it is the preferred provider."""

    tenant = models.OneToOneField(Tenant, on_delete=models.PROTECT, primary_key=True, related_name="provider_choice")
    provider = models.CharField(max_length=PROVIDER_CHARACTERS_MAX)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(provider=""), name="provider_choice_names_one"),
        ]
        ordering: ClassVar = ["tenant"]

    def __str__(self) -> str:
        return self.provider


class ProviderAgreement(models.Model):
    """The customer's agreement to be charged for a subscription, as last described by the provider."""

    subscription = models.OneToOneField(
        Subscription, on_delete=models.PROTECT, primary_key=True, related_name="provider_agreement"
    )
    provider = models.CharField(max_length=PROVIDER_CHARACTERS_MAX)
    reference = models.CharField(max_length=REFERENCE_CHARACTERS_MAX, help_text="The provider's id.")
    state = models.CharField(
        max_length=7,
        choices=[(state.value, state.value.replace("_", " ").capitalize()) for state in AgreementState],
        default=AgreementState.LIVE.value,
    )
    status = models.CharField(max_length=20, blank=True, help_text="The status in the provider's words.")
    is_cancelled_at_provider = models.BooleanField(
        default=False, help_text="Whether the provider reports that it ends with the current period."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "reference"], name="provider_agreement_one_per_reference"),
            models.CheckConstraint(condition=Q(state__in=list(AgreementState)), name="provider_agreement_state_known"),
        ]
        ordering: ClassVar = ["subscription"]

    def __str__(self) -> str:
        return self.reference


class ProviderInvoice(models.Model):
    """The provider's invoice that collects one of ours. The row is deleted when that is voided."""

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, primary_key=True, related_name="provider_invoice")
    provider = models.CharField(max_length=PROVIDER_CHARACTERS_MAX)
    reference = models.CharField(max_length=REFERENCE_CHARACTERS_MAX, help_text="The provider's id.")
    amount_minor = models.BigIntegerField(
        null=True, help_text="The amount that the provider collects; empty: the whole invoice."
    )
    payment_url = models.URLField(
        max_length=2000,
        blank=True,
        help_text="The address of the payment page; empty until the provider finalizes the invoice.",
    )
    release_claimed_at = models.DateTimeField(
        null=True, editable=False, help_text="Since when a worker is releasing it, at a provider that is asked once."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "reference"], name="provider_invoice_one_per_reference")
        ]
        ordering: ClassVar = ["invoice"]

    def __str__(self) -> str:
        return self.reference


class ProviderRefund(models.Model):
    """A refund that a provider was asked for, and its outcome. Its amount is on the refund."""

    class Status(models.TextChoices):
        """The status of a refund at the provider."""

        PENDING = "pending", "Pending"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"

    refund = models.OneToOneField(
        PaymentRefund, on_delete=models.PROTECT, primary_key=True, related_name="provider_refund"
    )
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="provider_refunds")
    provider = models.CharField(max_length=PROVIDER_CHARACTERS_MAX)
    reference = models.CharField(max_length=REFERENCE_CHARACTERS_MAX, blank=True, help_text="The provider's id.")
    status = models.CharField(max_length=9, choices=Status.choices)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider", "reference"], condition=~Q(reference=""), name="provider_refund_one_per_reference"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "succeeded", "failed"]), name="provider_refund_status_known"
            ),
            models.CheckConstraint(
                condition=~Q(reference="") | Q(status="failed"), name="provider_refund_is_named_unless_refused"
            ),
        ]
        ordering: ClassVar = ["-refund"]

    def __str__(self) -> str:
        return self.reference or f"Refused refund {self.refund_id}"


class PushDelay(models.Model):
    """An invoice that a provider did not take: when it was tried last, and when it is tried again."""

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, primary_key=True, related_name="push_delay")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="push_delays")
    provider = models.CharField(max_length=PROVIDER_CHARACTERS_MAX)
    attempts = models.PositiveIntegerField(default=0)
    last_attempt_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    error = models.CharField(max_length=300)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(next_attempt_at__gte=models.F("last_attempt_at")), name="push_delay_next_is_later"
            )
        ]
        ordering: ClassVar = ["next_attempt_at"]

    def __str__(self) -> str:
        return f"{self.invoice}: {self.attempts}"
