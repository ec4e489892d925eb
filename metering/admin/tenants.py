"""Tenants, with their usage against quota: the page from which staff do what customers ask for.

Usage is read once for a page of the list, whatever its length; what an action does, a service does.
"""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_q.tasks import async_task
from unfold.decorators import action, display
from unfold.views import ChangeList

from accounts.admin.base import Question, StaffModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm
from accounts.domain.pages import InvalidCursorError, PageRequest, read_cursor, write_cursor
from accounts.domain.roles import Role
from accounts.domain.tenant_settings import SETTINGS
from accounts.keys.services.api_keys import revoke_all_keys
from accounts.models import Membership, Tenant
from accounts.services.tenants import close_tenant, reactivate_tenant, suspend_tenant, update_tenant
from metering.admin.ledger import EventSearchForm
from metering.admin.tenant_forms import ReasonForm, TenantForm, UsagePlanForm, ViewAsForm
from metering.admin.tenant_tabs import AuditInline, InvitationInline, KeyInline, MemberInline
from metering.domain.ledger import Ledger
from metering.models import UsagePlanAssignment
from metering.selectors.events import EventFilters, events_page
from metering.selectors.operations import QuotaUse, quota_uses
from metering.services.usage_plans import assign_usage_plan

EVENTS_SHOWN = 50
RECONCILE_TASK = "metering.tasks.reconcile_ledgers"
STATUS_LABELS = {"Active": "success", "Suspended": "danger", "Closed": "info"}


class TenantChangeList(ChangeList):
    """The list, with the usage of the page's tenants read in one query."""

    result_list: list[Any]

    def get_results(self, request: HttpRequest) -> None:
        """Hang each tenant's usage on its row."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        uses = quota_uses(as_of=timezone.now(), tenant_ids=[tenant.pk for tenant in self.result_list])
        for tenant in self.result_list:
            tenant.quota_uses = uses.get(tenant.pk, [])


@admin.register(Tenant)
class TenantAdmin(StaffModelAdmin):
    """Customers."""

    form = TenantForm
    list_display = ("shown_name", "status_label", "plan", "usage", "people", "keys_usable", "created_at")
    list_filter = ("status", "usage_plan_assignment__usage_plan", "currency")
    list_filter_submit = True
    list_select_related = ("usage_plan_assignment__usage_plan",)
    search_fields = ("name", "slug", "billing_email", "legal_name", "memberships__user__email")
    search_help_text = "A name, a slug, or the address of a member."
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "slug", "status_label", "status_reason", "created_at")}),
        ("Metering", {"fields": ("time_zone", "currency", "backfill_days")}),
        (
            "Address",
            {
                "fields": (
                    "legal_name", "billing_email", "address_line1", "address_line2", "postal_code", "city", "region", "country", "tax_id",
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = ("slug", "status_label", "status_reason", "created_at")
    inlines: ClassVar = [KeyInline, MemberInline, InvitationInline, AuditInline]
    change_form_before_template = "admin/tenant_usage.html"
    actions_detail: ClassVar = [
        "view_as_customer", "events", "assign_plan",
        {"title": "More", "items": ["suspend", "reactivate", "close", "revoke_keys", "reconcile"]},
    ]  # fmt: skip
    actions: ClassVar = ["reconcile_selected"]

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what the list counts."""
        usable = Q(api_keys__revoked_at=None) & (
            Q(api_keys__expires_at=None) | Q(api_keys__expires_at__gt=timezone.now())
        )
        member_total, key_total = Count("memberships", distinct=True), Count("api_keys", filter=usable, distinct=True)
        tenants: QuerySet[Any] = super().get_queryset(request).annotate(member_total=member_total, key_total=key_total)
        return tenants

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:  # noqa: ARG002 - Django's signature
        """The list that reads usage once."""
        return TenantChangeList

    @display(description="Tenant", header=True, ordering="name")
    def shown_name(self, tenant: Tenant) -> list[str]:
        """Name above slug."""
        return [tenant.name, tenant.slug]

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def status_label(self, tenant: Tenant) -> str:
        """Whether it may use what it pays for."""
        return tenant.status.capitalize()

    @display(description="Usage plan", ordering="usage_plan_assignment__usage_plan__name", empty_value="none")
    def plan(self, tenant: Tenant) -> str | None:
        """Its usage plan's name."""
        assignment: UsagePlanAssignment | None = getattr(tenant, "usage_plan_assignment", None)
        return None if assignment is None else assignment.usage_plan.name

    @display(description="Usage of quota")
    def usage(self, tenant: Any) -> SafeString:
        """The fullest quota as a bar."""
        fullest = max(tenant.quota_uses, key=lambda use: use.percent, default=None)
        return render_to_string("admin/quota_bar.html", {"use": fullest})

    @display(description="Members", ordering="member_total")
    def people(self, tenant: Any) -> int:
        """How many members it has."""
        return int(tenant.member_total)

    @display(description="Keys", ordering="key_total")
    def keys_usable(self, tenant: Any) -> int:
        """How many keys work."""
        return int(tenant.key_total)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Customers sign up, or a service key makes them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """What was metered stays."""
        return False

    @admin.action(description="Reconcile usage with the ledger", permissions=["change"])
    def reconcile_selected(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        """Have the task cluster compare these tenants."""
        slugs = sorted(queryset.values_list("slug", flat=True))
        self._reconcile(request, slugs)

    # The page of one

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With usage above the form."""
        extra = {**(extra_context or {}), "quota_uses": self._uses_of(object_id)}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def save_model(self, request: HttpRequest, obj: Tenant, form: "forms.ModelForm[Tenant]", change: bool) -> None:  # noqa: ARG002, FBT001 - Django's signature
        """The service writes: it audits, and follows a new time zone."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in SETTINGS}
        update_tenant(
            tenant=Tenant.objects.get(pk=obj.pk), changes=changes, actor=staff_actor(request), as_of=timezone.now()
        )

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """The services that this page calls write the entries."""

    def _uses_of(self, object_id: str) -> list[QuotaUse]:
        try:
            tenant_id = UUID(object_id)
        except ValueError:
            return []
        return quota_uses(as_of=timezone.now(), tenant_ids=[tenant_id]).get(tenant_id, [])

    # Actions

    has_revoke_keys_permission = holds("accounts.change_apikey")
    has_assign_plan_permission = holds("metering.change_usageplanassignment")
    has_view_as_customer_permission = holds("accounts.view_as_customer")
    has_events_permission = holds("metering.view_event")

    def has_suspend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may change tenants may suspend one that is active."""
        return self._may_change_status(request, object_id, "active")

    def has_reactivate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may change tenants may reactivate one that is suspended."""
        return self._may_change_status(request, object_id, "suspended")

    def has_close_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may change tenants may close one that is not closed."""
        return self._may_change_status(request, object_id, "active", "suspended")

    def _may_change_status(self, request: HttpRequest, object_id: str | None, *statuses: str) -> bool:
        if not request.user.has_perm("accounts.change_tenant"):
            return False
        return object_id is None or found_or_404(Tenant.objects.all(), object_id).status in statuses

    @action(description="Suspend", permissions=["suspend"], icon="block")
    def suspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and suspend."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            return self.attempt(
                request,
                lambda: suspend_tenant(tenant=tenant, reason=reason, actor=staff_actor(request), as_of=timezone.now()),
                said=f"{tenant} is suspended.",
                back=self.page_of(tenant),
            )
        return self.ask_first(
            request,
            tenant,
            form,
            question=Question(
                title=f"Suspend {tenant}?",
                explanation="Its keys are answered with 402 within a second; its members may still look. Nothing is "
                "deleted.",
                button="Suspend the tenant",
            ),
        )

    @action(description="Reactivate", permissions=["reactivate"], icon="play_arrow")
    def reactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and reactivate."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        if request.method == "POST":
            return self.attempt(
                request,
                lambda: reactivate_tenant(tenant=tenant, actor=staff_actor(request), as_of=timezone.now()),
                said=f"{tenant} is active again.",
                back=self.page_of(tenant),
            )
        return self.ask_first(
            request,
            tenant,
            ConfirmForm(),
            question=Question(
                title=f"Reactivate {tenant}?",
                explanation=f"It was suspended: {tenant.status_reason or 'no reason was given'}. Its keys work again "
                f"within a second.",
                button="Reactivate the tenant",
            ),
        )

    @action(description="Close", permissions=["close"], icon="door_front")
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and close for good."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            return self.attempt(
                request,
                lambda: close_tenant(tenant=tenant, reason=reason, actor=staff_actor(request), as_of=timezone.now()),
                said=f"{tenant} is closed.",
                back=self.page_of(tenant),
            )
        return self.ask_first(
            request,
            tenant,
            form,
            question=Question(
                title=f"Close {tenant} for good?",
                explanation="A closed tenant cannot be opened again. Its keys are answered with 402 within a second, "
                "and its "
                "subscription ends with its period: what was used is invoiced, and no further fee. Its members may "
                "still look. "
                "Nothing is deleted.",
                button="Close the tenant",
            ),
        )

    @action(description="Revoke all keys", permissions=["revoke_keys"], icon="key_off")
    def revoke_keys(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and end every key."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        if request.method == "POST":
            number = revoke_all_keys(tenant=tenant, actor=staff_actor(request), as_of=timezone.now())
            messages.success(request, f"{number} keys of {tenant} are revoked.")
            return redirect(self.page_of(tenant))
        return self.ask_first(
            request,
            tenant,
            ConfirmForm(),
            question=Question(
                title=f"Revoke all keys of {tenant}?",
                explanation="Every program of the customer is refused within a second, until it has a new key. This "
                "cannot be taken back.",
                button="Revoke all keys",
            ),
        )

    @action(description="Reconcile", permissions=["change"], icon="balance")
    def reconcile(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have the task cluster compare usage with the ledger."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        if request.method == "POST":
            self._reconcile(request, [tenant.slug])
            return redirect(self.page_of(tenant))
        return self.ask_first(
            request,
            tenant,
            ConfirmForm(),
            question=Question(
                title=f"Reconcile {tenant}?",
                explanation="Compares each hour and day of usage with the events and changes nothing. The result will "
                "be among the job runs.",
                button="Compare now",
            ),
        )

    @action(description="Usage plan", permissions=["assign_plan"], icon="speed")
    def assign_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Choose, and assign."""
        tenant = found_or_404(Tenant.objects.select_related("usage_plan_assignment"), object_id)
        current = getattr(tenant, "usage_plan_assignment", None)
        form = UsagePlanForm(request.POST or None, initial={"usage_plan": current and current.usage_plan_id})
        if request.method == "POST" and form.is_valid():
            plan = form.cleaned_data["usage_plan"]
            assign_usage_plan(tenant=tenant, usage_plan=plan, actor=staff_actor(request), as_of=timezone.now())
            messages.success(request, f"{tenant} is on {plan or 'no usage plan'}.")
            return redirect(self.page_of(tenant))
        return self.ask_first(
            request,
            tenant,
            form,
            question=Question(
                title=f"Usage plan of {tenant}",
                explanation="Throttle and quotas of the plan hold within a second; what was used in the running "
                "period counts.",
                button="Assign",
            ),
        )

    @action(description="View as customer", permissions=["view_as_customer"], icon="visibility")
    def view_as_customer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Choose a member, say why, and look through the member's eyes; the audit log names both."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        members = Membership.objects.filter(
            tenant=tenant, user__is_active=True, user__is_staff=False, user__is_superuser=False
        )
        ranked = sorted(members.select_related("user"), key=lambda member: list(Role).index(Role(member.role)))
        if not ranked:
            messages.error(request, f"{tenant} has no member to look through.")
            return redirect(self.page_of(tenant))
        return self.ask_first(
            request,
            tenant,
            ViewAsForm(tenant, ranked),
            question=Question(
                title=f"View as a customer of {tenant}",
                explanation="You see the portal as this member does, bounded by the member's role. What you change is "
                "logged under your name.",
                button="View the portal",
                form_action=reverse("hijack:acquire"),
            ),
        )

    @action(description="Events", permissions=["events"], icon="list_alt", url_path="events")
    def events(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A page of the tenant's events, the newest first."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        form = EventSearchForm(request.GET or None)
        chosen = form.cleaned_data if form.is_valid() else {}
        ledger = Ledger(tenant.pk, chosen.get("half") != "test", tenant.time_zone, tenant.backfill_days)
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
            **self.admin_site.each_context(request), "opts": self.opts, "original": tenant, "title": f"Events of "
            f"{tenant}",
            "form": form, "page": page, "query": _query_without_cursor(request),
            "older": page.next and write_cursor(page.next), "newer": page.previous and write_cursor(page.previous),
        }  # fmt: skip
        return TemplateResponse(request, "admin/tenant_events.html", context)

    def _reconcile(self, request: HttpRequest, slugs: list[str]) -> None:
        async_task(
            RECONCILE_TASK, staff_actor(request).label, slugs, group="reconciliation", task_name="reconciliation"
        )
        messages.success(request, f"The comparison of {', '.join(slugs)} will be among the job runs in a moment.")


def _query_without_cursor(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("cursor", None)
    return query.urlencode()
