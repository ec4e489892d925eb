"""What metering adds to a tenant's page: usage against quota, events, the usage plan and the reconciliation."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_q.tasks import async_task
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.admin.base import Question, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm
from accounts.admin.tenant_sections import TenantSection, register_tenant_section
from accounts.domain.pages import InvalidCursorError, PageRequest, read_cursor, write_cursor
from accounts.models import Tenant
from metering.admin.ledger import EventSearchForm
from metering.models import UsagePlan, UsagePlanAssignment
from metering.selectors.events import EventFilters, events_page
from metering.selectors.ledgers import half_of
from metering.selectors.operations import quota_uses
from metering.selectors.retention import deleted_before
from metering.services.usage_plans import assign_usage_plan

EVENTS_SHOWN = 50
RECONCILE_TASK = "metering.tasks.reconcile_ledgers"


class UsagePlanChoiceForm(forms.Form):
    """The choice of a tenant's usage plan."""

    usage_plan = forms.ModelChoiceField(
        queryset=UsagePlan.objects.all(),
        required=False,
        empty_label="None: nothing is limited",
        widget=UnfoldAdminSelectWidget,
    )


@register_tenant_section
class MeteringSection(TenantSection):
    """Usage, events and the usage plan."""

    place = 20
    buttons = ("events",)
    buttons_below_more = ("assign_plan", "reconcile")
    list_actions = ("reconcile_selected",)
    columns = ("plan", "usage")
    filters = ("usage_plan_assignment__usage_plan",)
    select_related = ("usage_plan_assignment__usage_plan",)

    has_assign_plan_permission = holds("metering.change_usageplanassignment")
    has_events_permission = holds("metering.view_event")

    def above_form(self, tenant: Tenant) -> SafeString:
        """Render the usage of each quota."""
        uses = quota_uses(as_of=timezone.now(), tenant_ids=[tenant.pk]).get(tenant.pk, [])
        return render_to_string("admin/tenant_usage.html", {"quota_uses": uses})

    def fill_rows(self, tenants: Sequence[Any]) -> None:
        """Set each tenant's usage on its row, in one query for the whole page."""
        uses = quota_uses(as_of=timezone.now(), tenant_ids=[tenant.pk for tenant in tenants])
        for tenant in tenants:
            tenant.quota_uses = uses.get(tenant.pk, [])

    @display(description="Usage plan", ordering="usage_plan_assignment__usage_plan__name", empty_value="none")
    def plan(self, tenant: Tenant) -> str | None:
        """Return the name of the tenant's usage plan."""
        assignment: UsagePlanAssignment | None = getattr(tenant, "usage_plan_assignment", None)
        return None if assignment is None else assignment.usage_plan.name

    @display(description="Usage of quota")
    def usage(self, tenant: Any) -> SafeString:
        """Render the quota with the highest share used, as a bar."""
        fullest = max(tenant.quota_uses, key=lambda use: use.percent, default=None)
        return render_to_string("admin/quota_bar.html", {"use": fullest})

    @admin.action(description="Reconcile usage with the ledger", permissions=["change"])
    def reconcile_selected(self, _page: object, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        """Queue the comparison of these tenants' usage with the ledger."""
        slugs = sorted(queryset.values_list("slug", flat=True))
        self._reconcile(request, slugs)

    @action(description="Usage plan", permissions=["assign_plan"], icon="speed")
    def assign_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the form for a usage plan, or assign the chosen one."""
        tenant = found_or_404(Tenant.objects.select_related("usage_plan_assignment"), object_id)
        current = getattr(tenant, "usage_plan_assignment", None)
        form = UsagePlanChoiceForm(request.POST or None, initial={"usage_plan": current and current.usage_plan_id})
        if request.method == "POST" and form.is_valid():
            plan = form.cleaned_data["usage_plan"]
            assign_usage_plan(tenant=tenant, usage_plan=plan, actor=staff_actor(request), as_of=timezone.now())
            messages.success(request, f"{tenant} is on {plan or 'no usage plan'}.")
            return redirect(self.page.page_of(tenant))
        return self.page.confirmation_page(
            request,
            tenant,
            form,
            question=Question(
                title=f"Usage plan of {tenant}",
                explanation="The throttle and the quotas of the plan apply within a second. Usage of the current "
                "period counts towards them.",
                button="Assign",
            ),
        )

    @action(description="Reconcile", permissions=["change"], icon="balance")
    def reconcile(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queue the comparison of the tenant's usage with the ledger."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        if request.method == "POST":
            self._reconcile(request, [tenant.slug])
            return redirect(self.page.page_of(tenant))
        return self.page.confirmation_page(
            request,
            tenant,
            ConfirmForm(),
            question=Question(
                title=f"Reconcile {tenant}?",
                explanation="Compares each hour and day of usage with the events. Nothing is changed. The result is "
                "listed under job runs.",
                button="Compare now",
            ),
        )

    @action(description="Events", permissions=["events"], icon="list_alt", url_path="events")
    def events(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Render a page of the tenant's events, the newest first."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        form = EventSearchForm(request.GET or None)
        chosen = form.cleaned_data if form.is_valid() else {}
        ledger = half_of(tenant, is_live=chosen.get("half") != "test")
        filters = EventFilters(
            type=chosen.get("type") or None, subject=chosen.get("subject") or None, end=chosen.get("before") or None
        )
        cursor = request.GET.get("cursor")
        try:
            wanted = read_cursor(cursor, rows_max=EVENTS_SHOWN) if cursor else PageRequest(EVENTS_SHOWN)
            page = events_page(ledger=ledger, filters=filters, page=wanted)
        except InvalidCursorError:
            return redirect(request.path)
        context = {
            **self.page.admin_site.each_context(request), "opts": self.page.opts, "original": tenant,
            "title": f"Events of "
            f"{tenant}",
            "form": form, "page": page, "deleted": deleted_before(), "query": _query_without_cursor(request),
            "older": page.next and write_cursor(page.next), "newer": page.previous and write_cursor(page.previous),
        }  # fmt: skip
        return TemplateResponse(request, "admin/tenant_events.html", context)

    def _reconcile(self, request: HttpRequest, slugs: list[str]) -> None:
        async_task(
            RECONCILE_TASK, staff_actor(request).label, slugs, group="reconciliation", task_name="reconciliation"
        )
        messages.success(request, f"Comparing {', '.join(slugs)}. See job runs for the result in a moment.")


def _query_without_cursor(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("cursor", None)
    return query.urlencode()
