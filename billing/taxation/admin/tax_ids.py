"""The checks of a tenant's tax id, by VIES and by staff."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import Question, ReadOnlyInline, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import posted
from accounts.admin.tenant_sections import TenantSection, register_tenant_section
from accounts.models import Tenant
from billing.models import TaxIdCheck
from billing.taxation.services.tax_id_checks import record_tax_id_check


class CheckForm(forms.Form):
    """The form of a check by staff."""

    verdict = forms.TypedChoiceField(
        label="The number is",
        choices=[("yes", "in use, by this customer"), ("no", "not in use, or another's")],
        coerce=lambda answer: answer == "yes",
        widget=UnfoldAdminSelectWidget,
    )
    reference = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="Your evidence: the consultation number, or the authority that you asked.",
    )


class TaxIdCheckInline(ReadOnlyInline, TabularInline):
    """The checks so far, the latest first."""

    model = TaxIdCheck
    tab = True
    hide_title = True
    fields = ("checked_at", "tax_id", "is_valid", "source", "reference", "name", "address")
    readonly_fields = fields
    verbose_name_plural = "tax id checks"


@admin.register(TaxIdCheck)
class TaxIdCheckAdmin(ReadOnlyModelAdmin):
    """The admin of all tenants' checks."""

    list_display = ("checked_at", "tenant", "tax_id", "is_valid", "source", "reference", "name")
    list_select_related = ("tenant",)
    list_filter = ("is_valid", "source")
    search_fields = ("tax_id", "tenant__slug", "reference")


@register_tenant_section
class TaxIdSection(TenantSection):
    """The part of a tenant's page about its tax id."""

    place = 35
    buttons = ("record_tax_id_check",)
    inlines = (TaxIdCheckInline,)

    has_record_check_permission = holds("billing.change_billingprofile")

    @action(description="Record tax id check", permissions=["record_check"], icon="fact_check")
    def record_tax_id_check(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Record a check of the number by staff."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        form = CheckForm(posted(request))
        if request.method == "POST" and form.is_valid():
            return self.page.attempt(
                request,
                lambda: record_tax_id_check(
                    tenant=tenant,
                    is_valid=form.cleaned_data["verdict"],
                    reference=form.cleaned_data["reference"],
                    actor=staff_actor(request),
                    as_of=timezone.now(),
                ),
                said=f"The check of {tenant.tax_id} is recorded.",
                back=self.page.page_of(tenant),
            )
        return self.page.confirmation_page(
            request,
            tenant,
            form,
            question=Question(
                title=f"Tax id {tenant.tax_id or 'of none'} of {tenant}",
                explanation="Drafts and later invoices follow it: a number of another member state that is in use means"
                " a reverse charge without a mark, one that is not in use means tax. The check is kept as evidence.",
                button="Keep",
            ),
        )
