"""The admin of tenants, subscriptions and invoices at payment providers, also as inlines on their pages."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.admin.base import ReadOnlyInline, ReadOnlyModelAdmin
from accounts.admin.tenant_sections import TenantSection, register_tenant_section
from accounts.models import Tenant
from billing.admin.contributions import show_on_page_of
from billing.collection.models import ProviderAgreement, ProviderCustomer, ProviderInvoice
from billing.collection.selectors.providers import title_of
from billing.models import Invoice, Subscription

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


@register_tenant_section
class CollectionSection(TenantSection):
    """The tenant at providers, if it is known to one."""

    place = 5

    def tabs(self, tenant: Tenant | None) -> Sequence[type[Any]]:
        """Return the table if it has rows."""
        is_known = tenant is not None and ProviderCustomer.objects.filter(tenant=tenant).exists()
        return (CustomerInline,) if is_known else ()


show_on_page_of(Subscription, AgreementInline)
show_on_page_of(Invoice, CollectingInline)
