"""Imported bank statements, and each entry once, with the payment that it became.

What the bank states never changes here; an assignment does, by an entry of the ledger that takes the first one back.
"""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.banking.domain.entries import NAME_CHARACTERS_MAX, StatementFormat
from billing.banking.domain.matching import MatchedBy
from billing.models import Invoice, Payment
from billing.models.catalog import CURRENCY


class BankStatement(models.Model):
    """A file that staff imported, by the digest of its bytes. The file itself is not kept."""

    sha256 = models.CharField(max_length=64, unique=True)
    file_name = models.CharField(max_length=200, blank=True)
    format = models.CharField(max_length=8, choices=[(one.value, one.value) for one in StatementFormat])
    first_on = models.DateField()
    last_on = models.DateField()
    entries_total = models.PositiveIntegerField()
    entries_known = models.PositiveIntegerField(help_text="Entries that an earlier statement had.")
    imported_at = models.DateTimeField()
    imported_by = models.CharField(max_length=254)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(format__in=list(StatementFormat)), name="bank_statement_format_known"),
            models.CheckConstraint(condition=Q(first_on__lte=F("last_on")), name="bank_statement_days_in_order"),
        ]
        ordering: ClassVar = ["-imported_at", "-id"]

    def __str__(self) -> str:
        return self.file_name or f"Statement of {self.first_on} to {self.last_on}"


class EntryStatus(models.TextChoices):
    """An open entry waits for a person; one that is set aside is no payment of a customer."""

    OPEN = "open", "Open"
    ASSIGNED = "assigned", "Assigned"
    ASIDE = "aside", "Set aside"


class BankEntry(models.Model):
    """An entry of a statement. `assignments` counts how often it was assigned: each one is a payment of its own."""

    statement = models.ForeignKey(BankStatement, on_delete=models.PROTECT, related_name="entries")
    key = models.CharField(max_length=40, unique=True, editable=False)
    booked_on = models.DateField()
    amount_minor = models.BigIntegerField(help_text="Below 0 it is money that went out.")
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    text = models.TextField(blank=True)
    payer = models.CharField(max_length=NAME_CHARACTERS_MAX, blank=True)
    payer_account = models.CharField(max_length=34, blank=True)
    account = models.CharField(max_length=40, blank=True)
    bank_reference = models.CharField(max_length=60, blank=True)
    status = models.CharField(max_length=8, choices=EntryStatus.choices, default=EntryStatus.OPEN)
    matched_by = models.CharField(max_length=9, blank=True, help_text="Empty if a person assigned it.")
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.PROTECT, related_name="bank_entries")
    invoice = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="bank_entries")
    payment = models.OneToOneField(Payment, null=True, on_delete=models.PROTECT, related_name="bank_entry")
    assignments = models.PositiveSmallIntegerField(default=0)
    note = models.CharField(max_length=200, blank=True, help_text="Why it was set aside, or taken back.")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=254, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(amount_minor=0), name="bank_entry_of_something"),
            models.CheckConstraint(condition=Q(status__in=EntryStatus.values), name="bank_entry_status_known"),
            models.CheckConstraint(
                condition=Q(matched_by__in=["", *list(MatchedBy)]), name="bank_entry_match_known"
            ),
            models.CheckConstraint(
                condition=Q(status=EntryStatus.ASSIGNED, payment__isnull=False, invoice__isnull=False,
                            tenant__isnull=False, amount_minor__gt=0)
                | (~Q(status=EntryStatus.ASSIGNED) & Q(payment=None, invoice=None, tenant=None)),
                name="bank_entry_assigned_has_payment",
            ),
        ]  # fmt: skip
        indexes: ClassVar = [
            models.Index(fields=["booked_on"], condition=Q(status=EntryStatus.OPEN), name="bank_entry_open")
        ]
        ordering: ClassVar = ["-booked_on", "-id"]
        verbose_name_plural = "bank entries"

    def __str__(self) -> str:
        return f"{self.payer or 'Entry'} on {self.booked_on}"
