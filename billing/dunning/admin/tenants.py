"""Dunning on a tenant's page: its cases and pauses, and the buttons to pause and resume."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display

from accounts.admin.base import Question, ReadOnlyInline, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm, posted
from accounts.admin.tenant_sections import TenantSection, register_tenant_section
from accounts.models import Tenant
from billing.admin.base import WhyForm
from billing.domain.money import money_text
from billing.dunning.admin.cases import STAGE_LABELS, STATUS_LABELS
from billing.dunning.models import DunningCase, DunningPause
from billing.dunning.selectors.cases import pause_of
from billing.dunning.services.pausing import pause_dunning, resume_dunning


class CaseInline(ReadOnlyInline, TabularInline):
    """The cases of a tenant, the latest first."""

    model = DunningCase
    tab = True
    hide_title = True
    per_page = 20
    fields = ("shown_case", "due", "stage_label", "status_label", "schedule", "opened_at", "closed_at")
    readonly_fields = fields
    verbose_name_plural = "dunning"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the cases with their invoices and schedules."""
        return super().get_queryset(request).select_related("invoice", "schedule")

    @display(description="Invoice")
    def shown_case(self, case: DunningCase) -> SafeString:
        """Return a link to the case's page, with its steps."""
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:dunning_dunningcase_change", args=[case.pk]), case.invoice
        )

    @display(description="Unpaid")
    def due(self, case: DunningCase) -> str:
        """Return what is still to be paid."""
        return money_text(case.invoice.amount_due_minor, case.invoice.currency)

    @display(description="Customer is", label=STAGE_LABELS)
    def stage_label(self, case: DunningCase) -> str:
        """Return the state of the customer's service."""
        return str(case.get_stage_display())

    @display(description="Dunning", label=STATUS_LABELS)
    def status_label(self, case: DunningCase) -> str:
        """Return the status."""
        return str(case.get_status_display())


class PauseInline(ReadOnlyInline, TabularInline):
    """The pauses of a tenant's dunning."""

    model = DunningPause
    tab = True
    hide_title = True
    fields = ("paused_at", "reason", "paused_by", "ended_at", "ended_by")
    readonly_fields = fields
    verbose_name_plural = "dunning pauses"


@register_tenant_section
class DunningSection(TenantSection):
    """The tenant's dunning."""

    place = 37
    buttons_below_more = ("pause_dunning", "resume_dunning")

    has_pause_permission = holds("dunning.change_dunningpause")

    def tabs(self, tenant: Tenant | None) -> list[type[Any]]:
        """Return the tables that have rows."""
        if tenant is None:
            return []
        inlines: list[tuple[type[Any], Any]] = [(CaseInline, DunningCase), (PauseInline, DunningPause)]
        return [inline for inline, model in inlines if model.objects.filter(tenant=tenant).exists()]

    def hidden_buttons(self, tenant: Tenant) -> Iterable[str]:
        """Return the button that does not fit the state."""
        return ("resume_dunning",) if pause_of(tenant.pk) is None else ("pause_dunning",)

    @action(description="Pause dunning", permissions=["pause"], icon="pause")
    def pause_dunning(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Render the question for the reason, or pause."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        form = WhyForm(posted(request))
        if request.method == "POST" and form.is_valid():
            return self.page.attempt(
                request,
                lambda: pause_dunning(
                    tenant=tenant, reason=form.cleaned_data["reason"], actor=staff_actor(request), as_of=timezone.now()
                ),
                said=f"Dunning of {tenant} is paused.",
                back=self.page.page_of(tenant),
            )
        return self.page.confirmation_page(
            request,
            tenant,
            form,
            question=Question(
                title=f"Pause dunning of {tenant}?",
                explanation="Its unpaid invoices are not charged or reminded of, and nothing is suspended or cancelled "
                "until you resume it. What is suspended now stays suspended.",
                button="Pause",
            ),
        )

    @action(description="Resume dunning", permissions=["pause"], icon="play_arrow")
    def resume_dunning(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Render the question, or resume."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        form = ConfirmForm(posted(request))
        if request.method == "POST" and form.is_valid():
            return self.page.attempt(
                request,
                lambda: resume_dunning(tenant=tenant, actor=staff_actor(request), as_of=timezone.now()),
                said=f"Dunning of {tenant} continues.",
                back=self.page.page_of(tenant),
            )
        return self.page.confirmation_page(
            request,
            tenant,
            form,
            question=Question(
                title=f"Resume dunning of {tenant}?",
                explanation="What was planned is later by the length of the pause, so nothing happens at once that "
                "fell into it.",
                button="Resume",
            ),
        )
