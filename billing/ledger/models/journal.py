"""Entries and their postings: added once, never changed. `docs/algorithms/ledger.md`.

Rules that no constraint of a single row can express are in `billing/ledger/migrations/journal.sql`: the postings of an
entry sum to 0 and are inserted together, a closed month accepts no entries, and rows are never changed.
"""

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import TruncMonth

from accounts.models import Tenant
from billing.ledger.domain.accounts import OF_A_DOCUMENT, OF_A_MONTH, EntryKind, LedgerAccount


class JournalEntry(models.Model):
    """An event of a document of a tenant, posted once. `source` is the id of the event's object."""

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="journal_entries", db_index=False)
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=11, choices=[(kind.value, kind.value) for kind in EntryKind])
    source = models.CharField(max_length=100)
    document = models.CharField(max_length=255, help_text="The number of the document, or a payment's reference.")
    occurred_at = models.DateTimeField()
    posted_on = models.DateField(
        help_text="The day in the seller's time zone; if its month was closed, the first open day."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "source"], name="journal_entry_once"),
            models.CheckConstraint(condition=Q(kind__in=list(EntryKind)), name="journal_entry_kind_known"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "currency", "posted_on"], name="journal_entry_by_tenant"),
            BrinIndex(fields=["posted_on"], name="journal_entry_by_day"),
        ]
        ordering: ClassVar = ["posted_on", "id"]
        verbose_name_plural = "journal entries"

    def __str__(self) -> str:
        return f"{self.kind} {self.document}"


class Posting(models.Model):
    """An amount on an account, debit above 0, with its attributes. Tenant, currency and day are its entry's."""

    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="postings", db_constraint=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    currency = models.CharField(max_length=3)
    posted_on = models.DateField()
    account = models.CharField(max_length=11, choices=[(account.value, account.value) for account in LedgerAccount])
    amount_minor = models.BigIntegerField()
    document = models.CharField(max_length=40, blank=True)
    due_on = models.DateField(null=True)
    meter = models.CharField(max_length=100, blank=True)
    service_month = models.DateField(null=True, help_text="The first day of the month of service.")
    jurisdiction = models.CharField(max_length=10, blank=True)
    tax_category = models.CharField(max_length=2, blank=True)
    tax_name = models.CharField(max_length=40, blank=True)
    tax_percent = models.DecimalField(max_digits=7, decimal_places=4, null=True)
    base_minor = models.BigIntegerField(
        null=True, help_text="The net amount that a tax was computed from. Not part of any balance."
    )
    provider = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(account__in=list(LedgerAccount)), name="posting_account_known"),
            models.CheckConstraint(
                condition=~Q(amount_minor=0) | Q(base_minor__isnull=False), name="posting_says_something"
            ),
            models.CheckConstraint(
                condition=(Q(account__in=OF_A_DOCUMENT) & ~Q(document=""))
                | (~Q(account__in=OF_A_DOCUMENT) & Q(document="", due_on=None)),
                name="posting_names_document",
            ),
            models.CheckConstraint(
                condition=(Q(account__in=OF_A_MONTH) & ~Q(meter="") & Q(service_month__isnull=False))
                | (~Q(account__in=OF_A_MONTH) & Q(meter="", service_month=None)),
                name="posting_names_month",
            ),
            models.CheckConstraint(
                condition=Q(service_month=None) | Q(service_month=TruncMonth("service_month")),
                name="posting_month_begins",
            ),
            models.CheckConstraint(
                condition=Q(account=LedgerAccount.TAX, tax_percent__isnull=False, base_minor__isnull=False)
                | (
                    ~Q(account=LedgerAccount.TAX)
                    & Q(tax_percent=None, base_minor=None, jurisdiction="", tax_category="", tax_name="")
                ),
                name="posting_names_tax",
            ),
            models.CheckConstraint(
                condition=(Q(account=LedgerAccount.CLEARING) & ~Q(provider=""))
                | (~Q(account=LedgerAccount.CLEARING) & Q(provider="")),
                name="posting_names_provider",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "account"], name="posting_by_tenant"),
            models.Index(
                fields=["service_month"], condition=Q(account=LedgerAccount.DEFERRED), name="posting_deferred_by_month"
            ),
            models.Index(fields=["document"], condition=Q(account__in=OF_A_DOCUMENT), name="posting_by_document"),
            BrinIndex(fields=["posted_on"], name="posting_by_day"),
        ]
        ordering: ClassVar = ["posted_on", "id"]

    def __str__(self) -> str:
        return f"{self.account} {self.amount_minor} {self.currency}"


class ClosedMonth(models.Model):
    """A month of posting that accepts no more entries, with its sums when it was closed."""

    month = models.DateField(primary_key=True, help_text="The first day of the month.")
    sums = models.JSONField(help_text="The sums of its postings by currency and account.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the sums.")
    entries = models.BigIntegerField()
    closed_at = models.DateTimeField()
    closed_by = models.CharField(max_length=254)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(month=TruncMonth("month")), name="closed_month_begins"),
            models.CheckConstraint(condition=~Q(closed_by=""), name="closed_month_names_person"),
        ]
        ordering: ClassVar = ["-month"]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"
