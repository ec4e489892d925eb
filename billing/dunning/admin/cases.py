"""Unpaid invoices that are followed up: the list by age, and each case with its steps."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import DateField, Exists, OuterRef, QuerySet, Subquery, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.admin.base import ReadOnlyInline, ReadOnlyModelAdmin
from billing.domain.money import money_text
from billing.dunning.domain.states import StepStatus
from billing.dunning.models import DunningCase, DunningPause, DunningStep
from billing.selectors.issuer import issuers_day

STAGE_LABELS = {"Past due": "warning", "Suspended": "danger", "Cancelled": "danger"}
STATUS_LABELS = {"Open": "warning", "Paused": "info", "Exhausted": "danger", "Recovered": "success", "Closed": "info"}
STEP_LABELS = {"Planned": "info", "Running": "warning", "Done": "success", "Skipped": ""}
# Days after the due date, as in an ageing report.
AGES = {"7": ("1 to 7 days", 1, 7), "30": ("8 to 30 days", 8, 30), "60": ("31 to 60 days", 31, 60)}


class AgeFilter(SimpleListFilter):
    """Unpaid invoices by the days since their due date."""

    title = "days past due"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the spans."""
        return [("0", "not yet due"), *((key, text) for key, (text, _, _) in AGES.items()), ("more", "more")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the cases of the chosen span."""
        today, chosen = issuers_day(timezone.now()), self.value()
        if chosen == "0":
            return queryset.filter(closed_at=None, invoice__due_on__gte=today)
        if chosen == "more":
            return queryset.filter(closed_at=None, invoice__due_on__lt=today - timedelta(days=60))
        if chosen in AGES:
            _, first, last = AGES[chosen]
            days = (today - timedelta(days=last), today - timedelta(days=first))
            return queryset.filter(closed_at=None, invoice__due_on__range=days)
        return queryset


class StateFilter(SimpleListFilter):
    """Unpaid cases by default."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the states."""
        return [("all", "All"), ("settled", "Settled")]

    def choices(self, changelist: Any) -> Any:
        """Return the choices, with what is unpaid as the first one."""
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "Unpaid",
        }
        for value, title in self.lookup_choices:
            yield {
                "selected": self.value() == str(value),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the cases of the chosen state; on a case's own page all."""
        if self.value() == "all":
            return queryset
        return queryset.filter(closed_at__isnull=self.value() != "settled")


class StepInline(ReadOnlyInline, TabularInline):
    """The steps of a case: what was done, and what is planned."""

    model = DunningStep
    tab = True
    hide_title = True
    fields = ("due_at", "kind", "state", "done_at", "outcome", "attempts")
    readonly_fields = fields
    verbose_name_plural = "steps"

    @display(description="State", label=STEP_LABELS)
    def state(self, step: DunningStep) -> str:
        """Return its status."""
        return str(step.get_status_display())


@admin.register(DunningCase)
class DunningCaseAdmin(ReadOnlyModelAdmin):
    """Unpaid invoices, the oldest first. They are paid, voided or written off on their own pages."""

    list_display = ("tenant", "shown_invoice", "due", "age", "stage_label", "status_label", "next_step", "opened_at")
    list_filter = (StateFilter, AgeFilter, ("stage", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_filter_submit = False
    list_select_related = ("tenant", "invoice")
    search_fields = ("tenant__name", "tenant__slug", "invoice__number")
    ordering = ("invoice__due_on", "pk")
    fields = (
        "tenant", "shown_invoice", "due", "age", "kind", "schedule", "stage_label", "status_label", "declined_card",
        "has_suspended", "opened_at", "closed_at",
    )  # fmt: skip
    readonly_fields = ("shown_invoice", "due", "age", "stage_label", "status_label")
    inlines: ClassVar = [StepInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the cases with their next step and whether their tenant is paused."""
        rows: QuerySet[Any] = super().get_queryset(request)
        steps = DunningStep.objects.filter(case=OuterRef("pk"), status=StepStatus.PLANNED).order_by("position")
        paused = DunningPause.objects.filter(tenant=OuterRef("tenant"), ended_at=None)
        rows = rows.annotate(
            next_kind=Subquery(steps.values("kind")[:1]),
            next_at=Subquery(steps.values("due_at")[:1]),
            is_paused=Exists(paused),
            today=Value(issuers_day(timezone.now()), output_field=DateField()),
        )
        return rows

    @display(description="Invoice", ordering="invoice__number")
    def shown_invoice(self, case: DunningCase) -> SafeString:
        """Return a link to the invoice."""
        url = reverse("admin:billing_invoice_change", args=[case.invoice_id])
        return format_html('<a href="{}">{}</a>', url, case.invoice)

    @display(description="Unpaid")
    def due(self, case: DunningCase) -> str:
        """Return what is still to be paid."""
        return money_text(case.invoice.amount_due_minor, case.invoice.currency)

    @display(description="Days past due", ordering="invoice__due_on", empty_value="-")
    def age(self, case: Any) -> int | None:
        """Return the days since the due date of an unpaid invoice."""
        if case.closed_at is not None or case.invoice.due_on is None:
            return None
        return max(int((case.today - case.invoice.due_on).days), 0)

    @display(description="Customer is", ordering="stage", label=STAGE_LABELS)
    def stage_label(self, case: DunningCase) -> str:
        """Return the state of the customer's service."""
        return str(case.get_stage_display())

    @display(description="Dunning", ordering="status", label=STATUS_LABELS)
    def status_label(self, case: Any) -> str:
        """Return the status, or that it is paused."""
        return "Paused" if case.is_paused and case.closed_at is None else str(case.get_status_display())

    @display(description="Next", empty_value="-")
    def next_step(self, case: Any) -> str | None:
        """Return the next step and its day."""
        if case.next_kind is None or case.closed_at is not None:
            return None
        return f"{case.next_kind.capitalize()} on {case.next_at:%-d %B %Y}"
