"""The journal of the ledger of accounts and the closed months, both read-only."""

from functools import partial
from typing import ClassVar

from django.contrib import admin
from django.urls import URLPattern, path
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.decorators import display

from accounts.admin.base import ReadOnlyInline, ReadOnlyModelAdmin
from billing.admin.report_pages import report_page, reports_page
from billing.domain.money import money_text
from billing.ledger.models import ClosedMonth, JournalEntry, Posting


class PostingInline(ReadOnlyInline, TabularInline):
    """The postings of an entry."""

    model = Posting
    fields = ("account", "amount", "document", "meter", "service_month", "tax", "provider")
    readonly_fields = ("amount", "tax")

    @display(description="Amount, debit above 0")
    def amount(self, posting: Posting) -> str:
        """Return the amount with its currency."""
        return money_text(posting.amount_minor, posting.currency)

    @display(description="Tax")
    def tax(self, posting: Posting) -> str:
        """Return the tax's jurisdiction, category, rate and base, or an empty text without tax."""
        if posting.tax_percent is None:
            return ""
        base = money_text(posting.base_minor or 0, posting.currency)
        return f"{posting.jurisdiction} {posting.tax_category} {posting.tax_percent.normalize():f} % of {base}"


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnlyModelAdmin):
    """Entries of the journal, each with its postings."""

    list_display = ("posted_on", "kind", "document", "tenant", "currency", "occurred_at")
    list_filter = (("kind", ChoicesDropdownFilter), "currency", ("posted_on", RangeDateFilter))
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("document", "tenant__slug", "source")
    ordering = ("-posted_on", "-id")
    inlines: ClassVar = [PostingInline]

    def get_urls(self) -> list[URLPattern]:
        """Add the reports, which are sums of the postings."""
        site = self.admin_site
        return [
            path("reports/", site.admin_view(partial(reports_page, self)), name="reports"),
            path("reports/<slug:slug>/", site.admin_view(partial(report_page, self)), name="report"),
            *super().get_urls(),
        ]


@admin.register(ClosedMonth)
class ClosedMonthAdmin(ReadOnlyModelAdmin):
    """Months that take no more entries, with the sums stored when they were closed."""

    list_display = ("month", "entries", "closed_at", "closed_by", "digest")
