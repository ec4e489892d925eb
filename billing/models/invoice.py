"""Invoices, with all that they were computed from.

If usage came in meanwhile, a draft's lines are added again under a higher `revision`. A finalized invoice, its lines,
its document and its PDF never change: `billing/migrations/immutability.sql` enforces that, against the owner of the
tables too.
"""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from accounts.models import StoredFile, Tenant
from billing.domain.proration import FeeRefund
from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxCategory, TaxDecision, TaxTreatment
from billing.models.catalog import CURRENCY, PlanVersion, Price
from billing.models.subscription import Subscription
from billing.models.tax import COUNTRY
from billing.querysets import InvoiceQuerySet
from billing.taxlaw.domain.tax_rules import UnverifiedTaxIds
from metering.models import Meter

TAX_CATEGORIES = [(category.value, category.name.replace("_", " ").capitalize()) for category in TaxCategory]


class Issuer(models.Model):
    """The company that sells: what stands at the head of its invoices. There is one."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    legal_name = models.CharField(max_length=200, default="Your company")
    address_line1 = models.CharField(max_length=200, blank=True)
    address_line2 = models.CharField(max_length=200, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100, blank=True)
    country = models.CharField(max_length=2, blank=True, validators=[COUNTRY])
    tax_id = models.CharField("tax id", max_length=50, blank=True)
    registration = models.CharField(max_length=200, blank=True, help_text="Court and number of the register, if any.")
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    website = models.URLField(blank=True)
    bank_account = models.TextField(blank=True, help_text="IBAN and BIC, printed for those who pay by transfer.")
    payment_terms = models.TextField(
        blank=True, help_text="Printed below the day on which an invoice is due, such as interest on late payments."
    )
    footer = models.TextField(blank=True, help_text="Printed at the end of each invoice.")
    logo = models.CharField(max_length=64, blank=True, editable=False, help_text="The SHA-256 of the picture.")
    time_zone = models.CharField(max_length=64, default="UTC", help_text="The time zone of invoice dates.")
    invoice_prefix = models.CharField(max_length=10, default="INV")
    credit_note_prefix = models.CharField(max_length=10, default="CN")
    payment_days = models.PositiveSmallIntegerField(default=14, validators=[MaxValueValidator(365)])
    grace_minutes = models.PositiveSmallIntegerField(
        default=60,
        validators=[MaxValueValidator(10080)],
        help_text="How long a draft waits for late usage before it is finalized.",
    )
    fee_refund = models.CharField(
        "fees that were charged in advance",
        max_length=6,
        choices=[
            (FeeRefund.BY_DAY.value, "Give back the days that are left"),
            (FeeRefund.NONE.value, "Give nothing back"),
        ],
        default=FeeRefund.BY_DAY.value,
        help_text="For a subscription that ends within a period or moves to a smaller plan.",
    )
    lets_customers_shrink_now = models.BooleanField(
        "customers may move to a smaller plan at once",
        default=False,
        help_text="Otherwise a smaller plan begins with the next period.",
    )
    unverified_tax_ids = models.CharField(
        "unverified VAT numbers",
        max_length=4,
        choices=[
            (UnverifiedTaxIds.MARK.value, "Reverse charge, with a mark on the invoice"),
            (UnverifiedTaxIds.TAX.value, "Tax, as for a consumer"),
        ],
        default=UnverifiedTaxIds.MARK.value,
        help_text="How a business in another member state is taxed until its VAT number is verified.",
    )
    approval_above = models.DecimalField(
        "a second person above",
        max_digits=15,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="In your currency. Write-offs, refunds and manual invoices above it need a colleague's approval.",
    )
    tax_rules_confirmed_country = models.CharField(max_length=2, blank=True, editable=False)
    tax_rules_confirmed_by = models.CharField(max_length=254, blank=True, editable=False)
    tax_rules_confirmed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="issuer_is_one"),
            models.CheckConstraint(
                condition=Q(approval_above=None) | Q(approval_above__gte=0),
                name="issuer_approval_above_not_negative",
            ),
            models.CheckConstraint(condition=Q(fee_refund__in=list(FeeRefund)), name="issuer_fee_refund_known"),
            models.CheckConstraint(
                condition=Q(unverified_tax_ids__in=list(UnverifiedTaxIds)), name="issuer_unverified_tax_ids_known"
            ),
            models.CheckConstraint(
                condition=Q(tax_rules_confirmed_at=None, tax_rules_confirmed_country="", tax_rules_confirmed_by="")
                | (
                    Q(tax_rules_confirmed_at__isnull=False)
                    & ~Q(tax_rules_confirmed_country="")
                    & ~Q(tax_rules_confirmed_by="")
                ),
                name="issuer_confirmation_says_who",
            ),
        ]
        verbose_name_plural = "issuer"

    def __str__(self) -> str:
        return self.legal_name

    @property
    def is_tax_confirmed(self) -> bool:
        """Return whether staff have confirmed who charges which tax to whom, for the seller's present country."""
        return bool(self.country) and self.tax_rules_confirmed_country == self.country


class NumberSeries(models.Model):
    """The last number given in a series, as in INV-2026; locked by the transaction that gives the next."""

    code = models.CharField(max_length=20, primary_key=True)
    last_number = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "number series"

    def __str__(self) -> str:
        return f"{self.code}: {self.last_number}"


class InvoiceKind(models.TextChoices):
    """Why an invoice was issued."""

    PERIOD = "period", "Period"
    REPLACEMENT = "replacement", "Replacement"
    MANUAL = "manual", "Single items"


class Invoice(models.Model):
    """What a tenant owes at one boundary of its subscription: the ended period's usage, the next one's fee.

    Only one of a period closes a boundary. A replacement says again what another one said, to the buyer as it is now:
    `replaces` is the document that it takes the place of, `original` the invoice of the period behind both. Whatever
    looks back to usage and fees looks at the lines of the original.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    # Without indexes of their own: `invoice_by_tenant` and `invoice_once_per_boundary` begin with them.
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="invoices", db_index=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="invoices", db_index=False)
    kind = models.CharField(max_length=11, choices=InvoiceKind.choices, default=InvoiceKind.PERIOD)
    boundary = models.PositiveIntegerField(null=True, help_text="The number of the period end that the invoice closes.")
    original = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="replacements",
        db_index=False,
        help_text="The invoice that was issued again.",
    )
    replaces = models.OneToOneField(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="replaced_by",
        help_text="The invoice that it replaces.",
    )
    status = models.CharField(
        max_length=13,
        choices=[(status.value, status.value.capitalize()) for status in InvoiceStatus],
        default=InvoiceStatus.DRAFT.value,
    )
    number = models.CharField(max_length=40, null=True, unique=True)  # noqa: DJ001 - several drafts have none
    merchant_of_record = models.CharField(
        max_length=40, blank=True, default="", db_default="", help_text="Who sold in its own name, if not the issuer."
    )
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    purchase_order = models.CharField(  # noqa: DJ001 - empty is another answer than none
        max_length=60, null=True, help_text="This invoice's order number. Empty: the customer's usual one."
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    revision = models.PositiveIntegerField(default=1)
    lines_digest = models.CharField(max_length=64, help_text="SHA-256 of the lines of this revision.")
    subtotal_minor = models.BigIntegerField(default=0)
    tax_minor = models.BigIntegerField(default=0)
    carried_minor = models.BigIntegerField(
        default=0, help_text="Credit: negative if it was deducted after tax, positive if it is kept for later invoices."
    )
    total_minor = models.BigIntegerField(default=0)
    amount_paid_minor = models.BigIntegerField(default=0, help_text="The amount that payments cover.")
    credited_minor = models.BigIntegerField(default=0, help_text="The amount that credit notes credited.")
    drafted_at = models.DateTimeField()
    computed_at = models.DateTimeField(help_text="The moment up to which received usage is included.")
    finalize_after = models.DateTimeField()
    finalized_at = models.DateTimeField(null=True)
    issued_on = models.DateField(null=True)
    due_on = models.DateField(null=True)
    paid_at = models.DateTimeField(null=True)
    voided_at = models.DateTimeField(null=True)
    void_reason = models.CharField(max_length=200, blank=True)
    uncollectible_at = models.DateTimeField(null=True)
    payment_failed_at = models.DateTimeField(null=True)
    payment_error = models.CharField(max_length=200, blank=True)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subscription", "boundary"], name="invoice_once_per_boundary"),
            models.UniqueConstraint(
                fields=["subscription"],
                condition=Q(status=InvoiceStatus.DRAFT, kind=InvoiceKind.PERIOD),
                name="invoice_one_draft",
            ),
            models.CheckConstraint(
                condition=Q(kind=InvoiceKind.PERIOD, boundary__isnull=False, original=None, replaces=None)
                | Q(kind=InvoiceKind.REPLACEMENT, boundary=None, original__isnull=False, replaces__isnull=False)
                | Q(kind=InvoiceKind.MANUAL, boundary=None, original=None, replaces=None),
                name="invoice_kind_says_what_it_closes",
            ),
            models.CheckConstraint(condition=Q(status__in=list(InvoiceStatus)), name="invoice_status_known"),
            models.CheckConstraint(
                condition=Q(total_minor=F("subtotal_minor") + F("tax_minor") + F("carried_minor")),
                name="invoice_total_is_sum",
            ),
            models.CheckConstraint(condition=Q(total_minor__gte=0), name="invoice_total_not_negative"),
            models.CheckConstraint(
                condition=Q(amount_paid_minor__gte=0, credited_minor__gte=0)
                & Q(total_minor__gte=F("amount_paid_minor") + F("credited_minor")),
                name="invoice_total_not_overpaid",
            ),
            models.CheckConstraint(
                condition=~Q(status=InvoiceStatus.PAID) | Q(total_minor=F("amount_paid_minor") + F("credited_minor")),
                name="invoice_paid_is_settled",
            ),
            models.CheckConstraint(
                condition=Q(status=InvoiceStatus.DRAFT, number=None, finalized_at=None, issued_on=None, due_on=None)
                | (
                    ~Q(status=InvoiceStatus.DRAFT)
                    & Q(
                        number__isnull=False,
                        finalized_at__isnull=False,
                        issued_on__isnull=False,
                        due_on__isnull=False,
                    )
                ),
                name="invoice_finalized_has_number",
            ),
            models.CheckConstraint(
                condition=~Q(status=InvoiceStatus.PAID) | Q(paid_at__isnull=False), name="invoice_paid_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(status=InvoiceStatus.VOID) | (Q(voided_at__isnull=False) & ~Q(void_reason="")),
                name="invoice_void_has_reason",
            ),
            models.CheckConstraint(condition=Q(period_start__lte=F("period_end")), name="invoice_period_in_order"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-drafted_at"], name="invoice_by_tenant"),
            models.Index(fields=["original"], condition=Q(original__isnull=False), name="invoice_by_original"),
            models.Index(
                fields=["finalize_after"], condition=Q(status=InvoiceStatus.DRAFT), name="invoice_drafts_by_time"
            ),
            models.Index(
                fields=["due_on"], condition=Q(status=InvoiceStatus.FINALIZED), name="invoice_unpaid_by_due_on"
            ),
        ]
        ordering: ClassVar = ["-drafted_at", "-id"]

    def __str__(self) -> str:
        return self.number or f"draft for {self.tenant}"

    @property
    def boundary_closed(self) -> int:
        """Return the number of its boundary; of a replacement, that of the invoice which it stands for."""
        invoice = self.original or self
        assert invoice.boundary is not None, "an invoice of single items closes no boundary"
        return invoice.boundary

    @property
    def amount_due_minor(self) -> int:
        """Return what is still to be paid; of a void invoice that is nothing."""
        if self.status == InvoiceStatus.VOID:
            return 0
        return self.total_minor - self.amount_paid_minor - self.credited_minor


class LineKind(models.TextChoices):
    """Why a line stands on an invoice."""

    USAGE = "usage", "Usage"
    RECURRING = "recurring", "Recurring fee"
    PRORATION = "proration", "Proration"
    ADJUSTMENT = "adjustment", "Adjustment"
    CARRY = "carry", "Carried over"
    ONE_OFF = "one_off", "Single item"


class InvoiceLine(models.Model):
    """One line of one revision of an invoice, with its explanation. `quantity` is in the meter's unit, or a count."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines", db_index=False)
    revision = models.PositiveIntegerField()
    position = models.PositiveIntegerField(help_text="Counted from 1.")
    kind = models.CharField(max_length=10, choices=LineKind.choices)
    description = models.CharField(max_length=300)
    plan_version = models.ForeignKey(PlanVersion, null=True, on_delete=models.PROTECT, related_name="+")
    price = models.ForeignKey(Price, null=True, on_delete=models.PROTECT, related_name="+")
    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT, related_name="+")
    adjusts = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="adjustments", db_index=False)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    quantity = models.DecimalField(max_digits=38, decimal_places=9)
    unit = models.CharField(max_length=30, blank=True)
    events = models.BigIntegerField(null=True, help_text="The number of events in the quantity.")
    amount_minor = models.BigIntegerField()
    explanation = models.JSONField()
    tax_category = models.CharField(max_length=2, blank=True, choices=TAX_CATEGORIES, help_text="Code of UNCL 5305.")
    tax_percent = models.DecimalField(max_digits=7, decimal_places=4, default=0)
    tax_name = models.CharField(max_length=40, blank=True)
    tax_reason = models.CharField(max_length=200, blank=True)
    tax_jurisdiction = models.CharField(max_length=2, blank=True)
    tax_treatment = models.CharField(max_length=14, blank=True)
    supplied_on = models.DateField(
        null=True, help_text="The day of supply, which determines the tax. Empty on lines from before."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["invoice", "revision", "position"], name="invoice_line_once"),
            models.CheckConstraint(condition=Q(kind__in=LineKind.values), name="invoice_line_kind_known"),
            models.CheckConstraint(condition=Q(position__gte=1), name="invoice_line_from_one"),
            models.CheckConstraint(
                condition=~Q(kind=LineKind.USAGE)
                | Q(meter__isnull=False, price__isnull=False, events__isnull=False, quantity__gte=0),
                name="invoice_line_usage_has_price",
            ),
            models.CheckConstraint(
                condition=Q(kind=LineKind.ADJUSTMENT, adjusts__isnull=False)
                | Q(kind=LineKind.PRORATION)
                | (~Q(kind__in=[LineKind.ADJUSTMENT, LineKind.PRORATION]) & Q(adjusts=None)),
                name="invoice_line_adjustment_has_line",
            ),
            models.CheckConstraint(
                condition=Q(kind=LineKind.CARRY, tax_category="") | Q(tax_category__in=list(TaxCategory)),
                name="invoice_line_tax_known",
            ),
            models.CheckConstraint(
                condition=~Q(kind=LineKind.CARRY) | Q(tax_category="") | Q(supplied_on=None),
                name="invoice_line_carry_bears_no_tax",
            ),
            models.CheckConstraint(
                condition=Q(tax_percent__gte=0, tax_percent__lte=100), name="invoice_line_tax_percent_bounded"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["adjusts"], condition=Q(adjusts__isnull=False), name="invoice_line_by_adjusted"),
        ]
        ordering: ClassVar = ["invoice", "revision", "position"]

    def __str__(self) -> str:
        return f"{self.position}. {self.description}"

    @property
    def tax(self) -> TaxDecision | None:
        """Return the tax that it bears; None if it settles credit."""
        if not self.tax_category:
            return None
        return TaxDecision(
            TaxTreatment(self.tax_treatment), self.tax_name, self.tax_percent, self.tax_reason,
            TaxCategory(self.tax_category), self.tax_jurisdiction,
        )  # fmt: skip


class InvoiceTax(models.Model):
    """What one revision of an invoice bears of one tax: the sum of the lines that bear it, and the tax on that."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="taxes", db_index=False)
    revision = models.PositiveIntegerField()
    position = models.PositiveIntegerField(help_text="Counted from 1.")
    jurisdiction = models.CharField(max_length=2, blank=True)
    category = models.CharField(max_length=2, choices=TAX_CATEGORIES, help_text="Code of UNCL 5305.")
    treatment = models.CharField(max_length=14)
    name = models.CharField(max_length=40, blank=True)
    percent = models.DecimalField(max_digits=7, decimal_places=4)
    reason = models.CharField(max_length=500, blank=True)
    base_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["invoice", "revision", "position"], name="invoice_tax_once"),
            models.UniqueConstraint(
                fields=["invoice", "revision", "jurisdiction", "category", "name", "percent"],
                name="invoice_tax_one_per_rate",
            ),
            models.CheckConstraint(condition=Q(position__gte=1), name="invoice_tax_from_one"),
            models.CheckConstraint(condition=Q(category__in=list(TaxCategory)), name="invoice_tax_category_known"),
            models.CheckConstraint(condition=Q(percent__gte=0, percent__lte=100), name="invoice_tax_percent_bounded"),
        ]
        ordering: ClassVar = ["invoice", "revision", "position"]

    def __str__(self) -> str:
        return f"{self.name} {self.percent} %"

    @property
    def tax(self) -> TaxDecision:
        """Return which tax it is."""
        return TaxDecision(
            TaxTreatment(self.treatment), self.name, self.percent, self.reason, TaxCategory(self.category),
            self.jurisdiction,
        )  # fmt: skip


class InvoiceDocument(models.Model):
    """All that a finalized invoice says, as it was when it was issued; every rendering is made from it alone."""

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, primary_key=True, related_name="document")
    content = models.JSONField()
    content_digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Document of {self.invoice}"


class DocumentFile(models.Model):
    """Which stored file is the PDF of an invoice or a credit note, by its number."""

    number = models.CharField(max_length=40, primary_key=True)
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="documents")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.number
