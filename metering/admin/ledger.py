"""The ledger for staff to read: refused events, and a tenant's events by time. Rows are never counted."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.models import Tenant
from metering.models import IngestVerdict


class EventSearchForm(forms.Form):
    """The filters of a tenant's events."""

    half = forms.ChoiceField(
        choices=[("live", "Live"), ("test", "Test")], required=False, widget=UnfoldAdminSelectWidget
    )
    type = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    subject = forms.CharField(required=False, max_length=255, widget=UnfoldAdminTextInputWidget)
    before = forms.DateTimeField(
        required=False,
        label="Before (UTC)",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-21 12:00"}),
    )


@admin.register(IngestVerdict)
class IngestVerdictAdmin(ReadOnlyModelAdmin):
    """The admin of events that were sent and not stored."""

    list_display = (
        "received_at",
        "tenant",
        "half",
        "shown_verdict",
        "code",
        "event_id",
        "source",
        "event_type",
        "detail",
    )
    list_filter = (("verdict", ChoicesDropdownFilter), "is_live", ("received_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("event_id", "source", "code", "request_id")
    search_help_text = "An event's id or source, a code, a request's id, or a tenant's slug."

    def get_queryset(self, request: HttpRequest) -> QuerySet[IngestVerdict]:
        """Return verdicts with the tenant's name: verdicts have no foreign key to tenants."""
        names = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("name")
        rows: QuerySet[IngestVerdict] = super().get_queryset(request).annotate(tenant_name=Subquery(names))
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[IngestVerdict], search_term: str
    ) -> tuple[QuerySet[IngestVerdict], bool]:
        """Return the verdicts that the term matches; a slug matches all verdicts of its tenant."""
        tenant = Tenant.objects.filter(slug=search_term.strip()).first() if search_term else None
        if tenant is not None:
            return queryset.filter(tenant_id=tenant.pk), False
        found: tuple[QuerySet[IngestVerdict], bool] = super().get_search_results(request, queryset, search_term)
        return found

    @display(description="Tenant")
    def tenant(self, row: Any) -> str:
        """Return the name of the tenant that sent the event."""
        return str(row.tenant_name or row.tenant_id)

    @display(description="Half", label={"live": "success", "test": "info"})
    def half(self, row: IngestVerdict) -> str:
        """Return `live` or `test`."""
        return "live" if row.is_live else "test"

    @display(
        description="Verdict",
        label={"Duplicate": "info", "Conflict": "warning", "Rejected": "danger"},
        ordering="verdict",
    )
    def shown_verdict(self, row: IngestVerdict) -> str:
        """Return why the event was not stored."""
        return row.get_verdict_display()
