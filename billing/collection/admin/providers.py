"""The admin of tenants, subscriptions and invoices at payment providers, also as inlines on their pages."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.admin.base import (
    Question,
    ReadOnlyInline,
    ReadOnlyModelAdmin,
    found_or_404,
    holds,
    staff_actor,
)
from accounts.admin.by_state import posted
from accounts.admin.tenant_sections import TenantSection, register_tenant_section
from accounts.models import Tenant
from billing.admin.contributions import show_on_page_of
from billing.collection.models import (
    ProviderAgreement,
    ProviderChoice,
    ProviderCustomer,
    ProviderInvoice,
    ProviderRefund,
    PushDelay,
)
from billing.collection.selectors.providers import described_providers, title_of
from billing.collection.services.choosing import choose_provider
from billing.domain.money import money_text
from billing.models import Invoice, Subscription

REFUND_LABELS = {"Pending": "info", "Succeeded": "success", "Failed": "danger"}
AGREEMENT_LABELS = {"Not yet": "info", "Live": "success", "Ended": "warning"}


class ProviderTitle:
    """A column with the provider's title."""

    @display(description="Provider", ordering="provider")
    def provider_title(self, row: Any) -> str:
        """Return its title."""
        return title_of(row.provider)


@admin.register(ProviderCustomer)
class ProviderCustomerAdmin(ProviderTitle, ReadOnlyModelAdmin):
    """The customers at providers, and the cards charged there."""

    list_display = ("reference", "provider_title", "tenant", "card_label")
    list_filter = ("provider",)
    list_select_related = ("tenant",)
    search_fields = ("reference", "tenant__name", "tenant__slug")
    search_help_text = "The provider's id, a tenant's name or slug."
    fields = ("provider_title", "reference", "tenant", "card_label", "revision")
    readonly_fields = ("provider_title",)


@admin.register(ProviderAgreement)
class ProviderAgreementAdmin(ProviderTitle, ReadOnlyModelAdmin):
    """Customers' agreements to be charged, as last described by providers."""

    list_display = ("reference", "provider_title", "subscription", "shown_state", "status", "is_cancelled_at_provider")
    list_filter = ("provider", "state")
    list_select_related = ("subscription__tenant", "subscription__plan_version__plan")
    search_fields = ("reference", "subscription__tenant__name", "subscription__tenant__slug")
    search_help_text = "The provider's id, a tenant's name or slug."
    fields = ("provider_title", "reference", "subscription", "shown_state", "status", "is_cancelled_at_provider")
    readonly_fields = ("provider_title", "shown_state")

    @display(description="State", label=AGREEMENT_LABELS, ordering="state")
    def shown_state(self, agreement: ProviderAgreement) -> str:
        """Return whether the agreement continues."""
        return str(agreement.get_state_display())


@admin.register(ProviderInvoice)
class ProviderInvoiceAdmin(ProviderTitle, ReadOnlyModelAdmin):
    """The providers' invoices that collect ours."""

    list_display = ("reference", "provider_title", "invoice", "tenant_name")
    list_filter = ("provider",)
    list_select_related = ("invoice__tenant",)
    search_fields = ("reference", "invoice__number", "invoice__tenant__name", "invoice__tenant__slug")
    search_help_text = "The provider's id, a number, a tenant's name or slug."
    fields = ("provider_title", "reference", "invoice", "payment_url")
    readonly_fields = ("provider_title",)

    @display(description="Tenant", ordering="invoice__tenant__name")
    def tenant_name(self, row: ProviderInvoice) -> str:
        """Return the name of the tenant that owes the invoice."""
        return row.invoice.tenant.name


class CustomerInline(ProviderTitle, ReadOnlyInline, TabularInline):
    """The tenant at providers."""

    model = ProviderCustomer
    tab = True
    hide_title = True
    fields = ("provider_title", "reference", "card_label")
    readonly_fields = fields
    verbose_name_plural = "at payment providers"


class AgreementInline(ProviderTitle, ReadOnlyInline, TabularInline):
    """The agreement to be charged for a subscription."""

    model = ProviderAgreement
    tab = True
    hide_title = True
    fields = ("provider_title", "reference", "state", "status", "is_cancelled_at_provider")
    readonly_fields = fields
    verbose_name_plural = "at the payment provider"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return rows with the objects that their names need."""
        return super().get_queryset(request).select_related("subscription__tenant", "subscription__plan_version__plan")


class CollectingInline(ProviderTitle, ReadOnlyInline, TabularInline):
    """The provider's invoice that collects ours."""

    model = ProviderInvoice
    hide_title = True
    fields = ("provider_title", "reference", "payment_url")
    readonly_fields = fields
    verbose_name_plural = "at the payment provider"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return rows with the objects that their names need."""
        return super().get_queryset(request).select_related("invoice__tenant")


@admin.register(ProviderRefund)
class ProviderRefundAdmin(ProviderTitle, ReadOnlyModelAdmin):
    """The refunds that providers were asked for."""

    list_display = ("__str__", "provider_title", "tenant", "amount", "shown_status", "error")
    list_filter = ("provider", "status")
    list_select_related = ("tenant", "refund")
    search_fields = ("reference", "tenant__name", "tenant__slug", "refund__payment__reference")
    search_help_text = "The provider's id, a tenant's name or slug, a payment's reference."
    fields = ("provider_title", "reference", "tenant", "refund", "amount", "shown_status", "error")
    readonly_fields = ("provider_title", "amount", "shown_status")

    @display(description="Amount")
    def amount(self, row: ProviderRefund) -> str:
        """Return the amount with its currency."""
        return money_text(row.refund.amount_minor, row.refund.currency)

    @display(description="Status", label=REFUND_LABELS, ordering="status")
    def shown_status(self, row: ProviderRefund) -> str:
        """Return whether the customer has the money."""
        return str(row.get_status_display())


class ProviderForm(forms.Form):
    """The provider that the tenant pays through."""

    provider = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="A merchant of record sells to the customer in its own name: its documents are usage statements.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(name, described.title) for name, described in described_providers() if described.is_configured]
        self.fields["provider"].choices = [("", "The preferred one"), *known]  # type: ignore[attr-defined]


@admin.register(PushDelay)
class PushDelayAdmin(ProviderTitle, ReadOnlyModelAdmin):
    """The invoices that a provider did not take, with their next attempt."""

    list_display = ("invoice", "provider_title", "tenant", "attempts", "last_attempt_at", "next_attempt_at", "error")
    list_filter = ("provider",)
    list_select_related = ("tenant", "invoice")
    search_fields = ("invoice__number", "tenant__name", "tenant__slug")
    search_help_text = "A number, a tenant's name or slug."
    fields = (
        "invoice", "provider_title", "tenant", "attempts", "last_attempt_at", "next_attempt_at", "error",
    )  # fmt: skip
    readonly_fields = ("provider_title",)


@register_tenant_section
class CollectionSection(TenantSection):
    """The tenant at providers, if it is known to one."""

    place = 5
    buttons_below_more = ("payment_provider",)

    has_choose_permission = holds("billing.change_billingprofile")

    @action(description="Payment provider", permissions=["choose"], icon="credit_card")
    def payment_provider(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Choose the provider that the tenant pays through."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        chosen = ProviderChoice.objects.filter(tenant=tenant).values_list("provider", flat=True).first()
        form = ProviderForm(posted(request), initial={"provider": chosen or ""})
        if request.method == "POST" and form.is_valid():
            name = form.cleaned_data["provider"]
            return self.page.attempt(
                request,
                lambda: choose_provider(tenant=tenant, provider=name, actor=staff_actor(request), as_of=timezone.now()),
                said=lambda _: f"{tenant} pays through {title_of(name) if name else 'the preferred provider'}.",
                back=self.page.page_of(tenant),
            )
        return self.page.confirmation_page(
            request,
            tenant,
            form,
            question=Question(
                title=f"How {tenant} pays",
                explanation="Its next documents follow. A customer that has agreed to be charged keeps its provider.",
                button="Save",
            ),
        )

    def tabs(self, tenant: Tenant | None) -> Sequence[type[Any]]:
        """Return the table if it has rows."""
        is_known = tenant is not None and ProviderCustomer.objects.filter(tenant=tenant).exists()
        return (CustomerInline,) if is_known else ()


show_on_page_of(Subscription, AgreementInline)
show_on_page_of(Invoice, CollectingInline)
