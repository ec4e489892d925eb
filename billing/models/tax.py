"""The seller's data for tax: the rates of countries with their days, and the seller's registrations."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.domain.exchange import ECB
from billing.domain.tax import TaxCategory
from billing.taxlaw.domain.tax_rules import TaxScheme

CURRENCY_CODE = RegexValidator(r"^[A-Z]{3}\Z", "Three capitals, as in ISO 4217.")
COUNTRY = RegexValidator(r"^[A-Z]{2}\Z", "Two capitals, as in ISO 3166-1.")
# Of a rate, as UNCL 5305 and EN 16931 call them.
RATE_CATEGORIES = (
    (TaxCategory.STANDARD.value, "Taxed"),
    (TaxCategory.ZERO.value, "Zero-rated"),
    (TaxCategory.EXEMPT.value, "Exempt"),
)
SCHEMES = (
    (TaxScheme.LOCAL.value, "Registered there, without an establishment"),
    (TaxScheme.ESTABLISHMENT.value, "Establishment that supplies from there"),
    (TaxScheme.OSS_UNION.value, "One-stop shop, Union scheme"),
    (TaxScheme.OSS_NON_UNION.value, "One-stop shop, non-Union scheme"),
    (TaxScheme.SMALL.value, "Below 10,000 EUR a year to consumers of other member states"),
)


class TaxRate(models.Model):
    """The tax of one country from a day on, until its next row begins; the first one may have no beginning."""

    country = models.CharField(max_length=2, validators=[COUNTRY])
    name = models.CharField(max_length=40, default="VAT")
    percent = models.DecimalField(max_digits=7, decimal_places=4)
    valid_from = models.DateField(
        "from",
        null=True,
        blank=True,
        help_text="The first day of supply to which the rate applies. Empty: no beginning.",
    )
    category = models.CharField(
        max_length=2,
        choices=RATE_CATEGORIES,
        default=TaxCategory.STANDARD.value,
        help_text="For a rate of 0 %: the reason.",
    )
    reason = models.CharField(max_length=200, blank=True, help_text="For a rate of 0 %: the text on invoices.")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(percent__gte=0, percent__lte=100), name="tax_rate_percent_bounded"),
            models.UniqueConstraint(
                fields=["country", "valid_from"],
                nulls_distinct=False,
                name="tax_rate_once_a_day",
                violation_error_message="The country has a row that begins on this day.",
            ),
            models.CheckConstraint(
                condition=(~Q(percent=0) & Q(category=TaxCategory.STANDARD))
                | (Q(percent=0, category__in=[TaxCategory.ZERO, TaxCategory.EXEMPT]) & ~Q(reason="")),
                name="tax_rate_of_zero_has_reason",
                violation_error_message="A rate of 0 %% is zero-rated or exempt and has a reason; others are taxed.",
            ),
        ]
        ordering: ClassVar = ["country", F("valid_from").desc(nulls_last=True)]

    def __str__(self) -> str:
        since = "" if self.valid_from is None else f" from {self.valid_from}"
        return f"{self.name} {self.country} {self.percent.normalize():f} %{since}"


class TaxRegistration(models.Model):
    """That the seller is registered for tax in a country besides its own, first and last day included."""

    country = models.CharField(
        max_length=2, validators=[COUNTRY], help_text="For a one-stop shop: the country in which its tax is declared."
    )
    scheme = models.CharField(max_length=13, choices=SCHEMES)
    tax_id = models.CharField("tax id", max_length=50, blank=True)
    valid_from = models.DateField("from", null=True, blank=True)
    valid_until = models.DateField("until", null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["country", "scheme", "valid_from"],
                nulls_distinct=False,
                name="tax_registration_once",
                violation_error_message="The same registration begins on this day already.",
            ),
            models.CheckConstraint(condition=Q(scheme__in=list(TaxScheme)), name="tax_registration_scheme_known"),
            models.CheckConstraint(
                condition=Q(valid_from=None) | Q(valid_until=None) | Q(valid_until__gte=F("valid_from")),
                name="tax_registration_days_in_order",
                violation_error_message="It ends after it begins.",
            ),
        ]
        ordering: ClassVar = ["country", "scheme"]

    def __str__(self) -> str:
        return f"{self.get_scheme_display()}, {self.country}"


class ExchangeRate(models.Model):
    """How much of `currency` one unit of `per` was worth on a day. Rows are added, never changed.

    A correction is a row of a later `version` with its reason: the latest one counts for what is not issued yet.
    """

    per = models.CharField(max_length=3, default="EUR", validators=[CURRENCY_CODE])
    currency = models.CharField(max_length=3, validators=[CURRENCY_CODE])
    day = models.DateField()
    rate = models.DecimalField(
        max_digits=20, decimal_places=10, help_text="The amount of the currency for one unit of the other."
    )
    source = models.CharField(max_length=100, default=ECB, help_text="Printed on invoices.")
    version = models.PositiveSmallIntegerField(default=1, editable=False)
    reason = models.CharField(max_length=200, blank=True, editable=False, help_text="Of a correction.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["per", "currency", "day", "version"],
                name="exchange_rate_once_a_day",
                violation_error_message="The rate of this day is known.",
            ),
            models.CheckConstraint(
                condition=Q(version=1, reason="") | (Q(version__gt=1) & ~Q(reason="")),
                name="exchange_rate_correction_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(rate__gt=0),
                name="exchange_rate_above_zero",
                violation_error_message="A rate is above 0.",
            ),
            models.CheckConstraint(
                condition=~Q(per=F("currency")),
                name="exchange_rate_between_two",
                violation_error_message="A rate is between two currencies.",
            ),
            models.CheckConstraint(condition=~Q(source=""), name="exchange_rate_has_source"),
        ]
        ordering: ClassVar = ["-day", "per", "currency", "-version"]

    def __str__(self) -> str:
        return f"1 {self.per} = {self.rate.normalize():f} {self.currency} on {self.day}"


class TaxIdCheck(models.Model):
    """The result of checking a tenant's tax id on a day, by VIES or by staff: evidence, which is never changed."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="tax_id_checks")
    tax_id = models.CharField("tax id", max_length=50)
    is_valid = models.BooleanField("in use")
    source = models.CharField(max_length=5, choices=[("vies", "VIES"), ("staff", "Staff")])
    reference = models.CharField(max_length=500, blank=True, help_text="The consultation number, or other evidence.")
    name = models.CharField(max_length=500, blank=True)
    address = models.CharField(max_length=500, blank=True)
    checked_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(source__in=["vies", "staff"]), name="tax_id_check_source_known"),
            models.CheckConstraint(condition=~Q(tax_id=""), name="tax_id_check_has_tax_id"),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "-checked_at"], name="tax_id_check_by_tenant")]
        ordering: ClassVar = ["-checked_at", "-id"]

    def __str__(self) -> str:
        verdict = "valid" if self.is_valid else "not valid"
        return f"{self.tax_id} is {verdict}, {self.get_source_display()}, {self.checked_at:%Y-%m-%d}"
