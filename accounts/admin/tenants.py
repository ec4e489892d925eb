"""Tenants: the page on which staff help customers.

Each app adds what it shows and does here as a section (see `accounts.admin.tenant_sections`).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.db.models import Case, Count, Model, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.views import ChangeList

from accounts.admin.base import Question, StaffModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm
from accounts.admin.tenant_forms import ReasonForm, TenantForm, ViewAsForm
from accounts.admin.tenant_sections import TenantSection, sections_of
from accounts.admin.tenant_tabs import AuditInline, InvitationInline, MemberInline
from accounts.domain.roles import Role
from accounts.domain.tenant_settings import SETTINGS
from accounts.models import Membership, Tenant
from accounts.services.tenants import close_tenant, reactivate_tenant, suspend_tenant, update_tenant

STATUS_LABELS = {"Active": "success", "Suspended": "danger", "Closed": "info"}


class TenantChangeList(ChangeList):
    """The list of tenants. Each section reads once for all rows of a page."""

    result_list: list[Any]

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the rows, then load what the sections' columns need."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        for section in sections_of(self.model_admin):
            section.fill_rows(self.result_list)


@admin.register(Tenant)
class TenantAdmin(StaffModelAdmin):
    """The tenants."""

    form = TenantForm
    list_filter_submit = True
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
                    "legal_name", "billing_email", "address_line1", "address_line2", "postal_code", "city", "region",
                    "country", "tax_id",
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = ("slug", "status_label", "status_reason", "created_at")
    inlines: ClassVar = [MemberInline, InvitationInline, AuditInline]
    change_form_before_template = "admin/tenant_sections.html"

    @property
    def sections(self) -> list[TenantSection]:
        """Return the sections of all apps, ordered by place.

        Sections register when their app's admin is imported, before any address is resolved.
        """
        return sections_of(self)

    def __getattr__(self, name: str) -> Any:
        """Return a section's button or permission check by name: unfold looks for both on the page."""
        for section in sections_of(self):
            if section.offers(name):
                return getattr(section, name)
        raise AttributeError(name)

    @property
    def actions_detail(self) -> list[Any]:
        """Return the buttons, with the rarer ones under More."""
        buttons = [name for section in self.sections for name in section.buttons]
        rarer = [name for section in self.sections for name in section.buttons_below_more]
        more = {"title": "More", "items": ["suspend", "reactivate", "close", *rarer]}
        return ["view_as_customer", *buttons, more]

    @property
    def actions(self) -> list[Any]:
        """Return the actions for several tenants of the list."""
        return [method for section in self.sections for method in section.methods(section.list_actions)]

    # The list

    def get_list_display(self, request: HttpRequest) -> list[Any]:  # noqa: ARG002 - Django's signature
        """Return the columns, with the sections' columns between status and people."""
        columns = [method for section in self.sections for method in section.methods(section.columns)]
        return ["shown_name", "status_label", *columns, "people", "created_at"]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:  # noqa: ARG002 - Django's signature
        """Return the filters, with the sections' filters after the status."""
        return ["status", *(name for section in self.sections for name in section.filters), "currency"]

    def get_list_select_related(self, request: HttpRequest) -> list[str]:  # noqa: ARG002 - Django's signature
        """Return the relations that the sections' columns need."""
        return [name for section in self.sections for name in section.select_related]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add what the list shows and sorts by to each row."""
        tenants: QuerySet[Any] = (
            super().get_queryset(request).annotate(member_total=Count("memberships", distinct=True))
        )
        for section in self.sections:
            tenants = section.annotate(tenants)
        return tenants

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what matches, a tenant of that slug or name before those that only have such a member."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if search_term:
            is_named = Q(slug__icontains=search_term) | Q(name__icontains=search_term)
            rank = Case(When(slug__iexact=search_term, then=0), When(is_named, then=1), default=2)
            found = found.annotate(search_rank=rank).order_by("search_rank", *found.query.order_by)
        return found, may_repeat

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:  # noqa: ARG002 - Django's signature
        """Return the list that loads the sections' data once per page."""
        return TenantChangeList

    @display(description="Tenant", header=True, ordering="name")
    def shown_name(self, tenant: Tenant) -> list[str]:
        """Return the name and the slug."""
        return [tenant.name, tenant.slug]

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def status_label(self, tenant: Tenant) -> str:
        """Return the tenant's status."""
        return tenant.status.capitalize()

    @display(description="Members", ordering="member_total")
    def people(self, tenant: Any) -> int:
        """Return the number of members."""
        return int(tenant.member_total)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: customers sign up, or a service key creates them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: metered usage is kept."""
        return False

    # The page of one

    def get_inlines(self, request: HttpRequest, obj: Tenant | None) -> list[Any]:  # noqa: ARG002 - Django's signature
        """Return the tabs, those of the highest app first and the tenant's own last."""
        tabs = [inline for section in reversed(self.sections) for inline in section.tabs(obj)]
        return [*tabs, *self.inlines]

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Return the buttons that make sense for this tenant."""
        allowed: list[Any] = super().get_actions_detail(request, object_id)
        tenant = self.get_object(request, object_id)
        hidden = {name for section in self.sections if tenant is not None for name in section.hidden_buttons(tenant)}
        return [entry for entry in allowed if entry.method.original_function_name not in hidden]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Render the page with what the sections show above the form."""
        tenant = self.get_object(request, object_id)
        above = [section.above_form(tenant) for section in self.sections] if tenant is not None else []
        extra = {**(extra_context or {}), "sections_above": above}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def save_model(self, request: HttpRequest, obj: Tenant, form: "forms.ModelForm[Tenant]", change: bool) -> None:  # noqa: ARG002, FBT001 - Django's signature
        """Call the service, which writes the audit entry and notifies the apps above."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in SETTINGS}
        update_tenant(
            tenant=Tenant.objects.get(pk=obj.pk), changes=changes, actor=staff_actor(request), as_of=timezone.now()
        )

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Write nothing: the services that this page calls write the audit entries."""

    # Actions

    has_view_as_customer_permission = holds("accounts.view_as_customer")

    def has_suspend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return whether the user may change tenants and this one is active."""
        return self._may_change_status(request, object_id, "active")

    def has_reactivate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return whether the user may change tenants and this one is suspended."""
        return self._may_change_status(request, object_id, "suspended")

    def has_close_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return whether the user may close tenants and this one is not closed. Closing is final."""
        may = request.user.has_perm("accounts.close_tenant")
        return may and self._may_change_status(request, object_id, "active", "suspended")

    def _may_change_status(self, request: HttpRequest, object_id: str | None, *statuses: str) -> bool:
        if not request.user.has_perm("accounts.change_tenant"):
            return False
        return object_id is None or found_or_404(Tenant.objects.all(), object_id).status in statuses

    @action(description="Suspend", permissions=["suspend"], icon="block")
    def suspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Require a reason, then suspend the tenant."""
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
        return self.confirmation_page(
            request,
            tenant,
            form,
            question=Question(
                title=f"Suspend {tenant}?",
                explanation="Requests with its keys are refused with 402 within a second. Its members can "
                "still sign in. Nothing is deleted.",
                button="Suspend tenant",
            ),
        )

    @action(description="Reactivate", permissions=["reactivate"], icon="play_arrow")
    def reactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then reactivate the tenant."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        if request.method == "POST":
            return self.attempt(
                request,
                lambda: reactivate_tenant(tenant=tenant, actor=staff_actor(request), as_of=timezone.now()),
                said=f"{tenant} is active again.",
                back=self.page_of(tenant),
            )
        return self.confirmation_page(
            request,
            tenant,
            ConfirmForm(),
            question=Question(
                title=f"Reactivate {tenant}?",
                explanation=f"It was suspended: {tenant.status_reason or 'no reason given'}. Its keys work again "
                f"within a second.",
                button="Reactivate tenant",
            ),
        )

    @action(description="Close", permissions=["close"], icon="door_front", variant=ActionVariant.DANGER)
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Require a reason, then close the tenant for good."""
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
        return self.confirmation_page(
            request,
            tenant,
            form,
            question=Question(
                title=f"Close {tenant} for good?",
                explanation="A closed tenant cannot be opened again. Requests with its keys are refused with 402 "
                "within a second. Its subscription ends with its billing period: usage so far is invoiced, and no "
                "further fee. Its members can still sign in. Nothing is deleted.",
                button="Close tenant",
            ),
        )

    @action(description="View as customer", permissions=["view_as_customer"], icon="visibility")
    def view_as_customer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Require a member and a reason. Posting the form begins the viewing."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        members = Membership.objects.filter(
            tenant=tenant, user__is_active=True, user__is_staff=False, user__is_superuser=False
        )
        ranked = sorted(members.select_related("user"), key=lambda member: list(Role).index(Role(member.role)))
        if not ranked:
            messages.error(request, f"{tenant} has no member to view as.")
            return redirect(self.page_of(tenant))
        return self.confirmation_page(
            request,
            tenant,
            ViewAsForm(tenant, ranked),
            question=Question(
                title=f"View as a customer of {tenant}",
                explanation="You see this tenant's pages as the member does, and cannot change anything. Beginning and "
                f"end are in the tenant's audit log; it ends by itself after {settings.VIEWING_MINUTES} minutes.",
                button="View the portal",
                form_action=reverse("hijack:acquire"),
            ),
        )
