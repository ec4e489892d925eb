"""Who bought what: a tenant's subscription, its phases, how it is billed, and what could not be billed."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.domain.invoicing.plausibility import AmountCheck
from billing.domain.languages import ENGLISH, LANGUAGES
from billing.domain.proration import FeeRefund
from billing.domain.statuses import LIVE_STATUSES, SubscriptionStatus
from billing.domain.tax import DECIDED_BY_STAFF, TaxTreatment
from billing.models.catalog import CURRENCY, PlanVersion
from billing.querysets import SubscriptionQuerySet


class BillingProfile(models.Model):
    """How a tenant is billed.

    Its name, address and tax id are the tenant's own; cards stay with the payment provider.
    """

    tenant = models.OneToOneField(Tenant, on_delete=models.PROTECT, primary_key=True, related_name="billing_profile")
    tax_treatment = models.CharField(
        max_length=14,
        choices=[(treatment.value, treatment.value.replace("_", " ").capitalize()) for treatment in DECIDED_BY_STAFF],
        default=TaxTreatment.AUTOMATIC.value,
    )
    tax_percent = models.DecimalField(
        max_digits=7, decimal_places=4, null=True, blank=True, help_text="Replaces the rate of the tenant's country."
    )
    tax_exemption_reason = models.CharField(max_length=200, blank=True, help_text="Printed on the tenant's invoices.")
    payment_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Replaces the seller's usual term."
    )
    purchase_order = models.CharField(
        max_length=60, blank=True, help_text="The customer's purchase order number, printed on new invoices."
    )
    language = models.CharField(
        max_length=2, choices=list(LANGUAGES.items()), default=ENGLISH, help_text="The language of new invoices."
    )
    amount_check = models.CharField(
        max_length=7,
        choices=[(check.value, check.value.capitalize()) for check in AmountCheck],
        default=AmountCheck.HISTORY.value,
        help_text="What an invoice is compared with before it is finalized.",
    )
    amount_max_minor = models.BigIntegerField(
        null=True, blank=True, help_text="The highest total that is finalized without a review."
    )
    card_label = models.CharField(
        max_length=60,
        blank=True,
        editable=False,
        help_text="The card that invoices are charged to, as in Visa ending in 4242; empty if the customer pays each.",
    )
    merchant_of_record = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The company that sells to the tenant in its own name and declares the tax; empty: the issuer.",
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(tax_percent=None) | Q(tax_percent__gte=0, tax_percent__lte=100),
                name="billing_profile_percent_bounded",
            ),
            models.CheckConstraint(condition=Q(tax_treatment__in=DECIDED_BY_STAFF), name="billing_profile_tax_known"),
            models.CheckConstraint(condition=Q(language__in=list(LANGUAGES)), name="billing_profile_language_known"),
            models.CheckConstraint(
                condition=Q(amount_check=AmountCheck.LIMIT, amount_max_minor__isnull=False, amount_max_minor__gte=0)
                | Q(amount_check__in=[AmountCheck.HISTORY, AmountCheck.OFF], amount_max_minor=None),
                name="billing_profile_amount_check_has_limit",
            ),
        ]

    def __str__(self) -> str:
        return f"Billing of {self.tenant}"


class Subscription(models.Model):
    """A tenant's purchase of a plan.

    Its boundaries tile time from `anchor_at` in `time_zone` (docs/algorithms/periods.md, section A). `next_boundary` is
    the number of the boundary that is invoiced next, and `due_at` its instant; between `period_start` and `period_end`
    lies the running period. After the end `due_at` is when corrections are looked for a last time, and then empty.
    `version` counts changes: a caller that changes it says which version they saw.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="subscriptions")
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="subscriptions")
    status = models.CharField(
        max_length=9,
        choices=[(status.value, status.value.replace("_", " ").capitalize()) for status in SubscriptionStatus],
    )
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    time_zone = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    anchor_at = models.DateTimeField(
        help_text="The start of the first paid period. After a trial it is later than the subscription's start."
    )
    next_boundary = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(
        null=True, help_text="When the next invoice is due to be drafted; empty after the last."
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    pending_plan_version = models.ForeignKey(
        PlanVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="pending_subscriptions"
    )
    is_cancelled_at_period_end = models.BooleanField(default=False)
    cancelled_at = models.DateTimeField(null=True, help_text="When the customer or staff cancelled it.")
    ended_at = models.DateTimeField(null=True)
    end_refund = models.CharField(
        max_length=6,
        default=FeeRefund.BY_DAY.value,
        editable=False,
        help_text="The part of the fee that was credited when the subscription ended within a period.",
    )
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(editable=False)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(status__in=sorted(LIVE_STATUSES)), name="subscription_one_live"
            ),
            models.CheckConstraint(condition=Q(status__in=list(SubscriptionStatus)), name="subscription_status_known"),
            models.CheckConstraint(
                condition=Q(status=SubscriptionStatus.CANCELLED, ended_at__isnull=False)
                | (~Q(status=SubscriptionStatus.CANCELLED) & Q(ended_at=None, due_at__isnull=False)),
                name="subscription_ended_is_cancelled",
            ),
            models.CheckConstraint(condition=Q(period_start__lte=F("period_end")), name="subscription_period_in_order"),
            models.CheckConstraint(condition=Q(end_refund__in=list(FeeRefund)), name="subscription_end_refund_known"),
            models.CheckConstraint(
                condition=Q(pending_plan_version=None) | Q(is_cancelled_at_period_end=False),
                name="subscription_one_pending_change",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="subscription_by_due_at")
        ]
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.tenant}: {self.plan_version}"

    @property
    def is_live(self) -> bool:
        """Return whether the subscription has not ended."""
        return self.ended_at is None


class SubscriptionPhase(models.Model):
    """From `starts_at` on the subscription is on this plan version, until the next phase starts."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="phases")
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="phases")
    starts_at = models.DateTimeField()
    fee_refund = models.CharField(
        max_length=6,
        default=FeeRefund.BY_DAY.value,
        editable=False,
        help_text="The part of the fee that was credited when the plan changed.",
    )
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subscription", "starts_at"], name="subscription_phase_once"),
            models.CheckConstraint(condition=Q(fee_refund__in=list(FeeRefund)), name="subscription_phase_refund_known"),
        ]
        ordering: ClassVar = ["subscription", "starts_at"]

    def __str__(self) -> str:
        return f"{self.plan_version} from {self.starts_at:%Y-%m-%d %H:%M}"


class BillingException(models.Model):
    """A case for staff: usage that could not be billed, a `payment` that settles nothing, credit left over.

    Without a payment, invoicing skips the subscription until staff have resolved the exception.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="exceptions")
    payment = models.ForeignKey(
        "billing.Payment", null=True, blank=True, on_delete=models.PROTECT, related_name="exceptions"
    )
    invoice = models.ForeignKey(
        "billing.Invoice",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="exceptions",
        help_text="The draft that waits for a review.",
    )
    amount_minor = models.BigIntegerField(null=True, help_text="The invoice's total, if the total was the reason.")
    is_approved = models.BooleanField(
        default=False, help_text="Whether staff approved an invoice over exactly this amount."
    )
    code = models.CharField(max_length=40)
    detail = models.TextField()
    occurred_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=254, blank=True)
    resolution = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subscription", "code"],
                condition=Q(resolved_at=None, payment=None),
                name="billing_exception_open_once",
            ),
            models.UniqueConstraint(
                fields=["payment"], condition=Q(resolved_at=None), name="billing_exception_payment_open_once"
            ),
            models.CheckConstraint(
                condition=Q(is_approved=False)
                | Q(invoice__isnull=False, amount_minor__isnull=False, resolved_at__isnull=False),
                name="billing_exception_approval_names_amount",
            ),
        ]
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"
