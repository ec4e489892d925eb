"""Versions of plans, read-only: their prices, when each was published, and example amounts."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.admin.base import ReadOnlyInline, ReadOnlyModelAdmin
from accounts.domain.numbers import number_text
from billing.admin.plan_forms import (
    UNITS_BY_DEFAULT,
    UNITS_MAX,
    examples_of,
)
from billing.admin.wording import shown_terms
from billing.domain.money import price_tag_text
from billing.domain.plan_terms import PriceOffer, SoldVersion, fee_amount
from billing.domain.statuses import LIVE_STATUSES
from billing.models import PlanVersion
from billing.selectors.catalog.plans import as_sold

UNITS_SHOWN = (1_000, 50_000, 1_000_000)
LIVE = Q(subscriptions__status__in=LIVE_STATUSES)


def shown_fees(version: SoldVersion) -> str:
    """Return the monthly fee in each currency as one text."""
    fees = ((currency, version.fee(currency)) for currency in version.currencies)
    return ", ".join(price_tag_text(fee_amount(fee), currency) for currency, fee in fees if fee is not None)


class VersionInline(ReadOnlyInline, TabularInline):
    """Versions of a plan, the newest first."""

    model = PlanVersion
    hide_title = True
    fields = ("version", "fees", "usage_plan", "trial_days", "live", "created_at")
    readonly_fields = fields
    verbose_name_plural = "versions"
    ordering = ("-number",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the versions with their prices and numbers of live subscriptions, in a fixed number of queries."""
        rows: QuerySet[Any] = super().get_queryset(request).select_related("plan", "usage_plan")
        rows = rows.prefetch_related("prices__meter").annotate(live_total=Count("subscriptions", filter=LIVE))
        return rows

    @display(description="Version")
    def version(self, row: PlanVersion) -> SafeString:
        """Return a link to its page, which shows its prices."""
        return format_html(
            '<a href="{}">Version {}</a>', reverse("admin:billing_planversion_change", args=[row.pk]), row.number
        )

    @display(description="Monthly fee")
    def fees(self, row: PlanVersion) -> str:
        """Return the monthly fee in each currency."""
        return shown_fees(as_sold(row))

    @display(description="Live subscriptions")
    def live(self, row: Any) -> int:
        """Return the number of live subscriptions to it."""
        return int(row.live_total)


@admin.register(PlanVersion)
class PlanVersionAdmin(ReadOnlyModelAdmin):
    """Published versions. Staff publish one on the plan's page."""

    list_display = ("shown_name", "fees", "usage_plan", "trial_days", "live", "created_at")
    list_filter = ("plan",)
    search_fields = ("plan__code", "plan__name")
    fields = ("plan", "number", "usage_plan", "trial_days", "created_at", "digest")
    change_form_before_template = "admin/billing/version.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the versions with their prices and numbers of live subscriptions, in a fixed number of queries."""
        rows: QuerySet[Any] = super().get_queryset(request)
        rows = rows.select_related("plan", "usage_plan").prefetch_related("prices__meter")
        rows = rows.annotate(live_total=Count("subscriptions", filter=LIVE))
        return rows

    @display(description="Version", header=True)
    def shown_name(self, version: PlanVersion) -> list[str]:
        """Return the plan's name above the number."""
        return [version.plan.name, f"version {version.number}"]

    @display(description="Monthly fee")
    def fees(self, version: PlanVersion) -> str:
        """Return the monthly fee in each currency."""
        return shown_fees(as_sold(version))

    @display(description="Live subscriptions", ordering="live_total")
    def live(self, version: Any) -> int:
        """Return the number of live subscriptions to it."""
        return int(version.live_total)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Render the page with its prices in words, and with example amounts."""
        version = self.get_object(request, object_id)
        extra = {
            **(extra_context or {}),
            **(_version_context(version, request.GET.get("units", "")) if version else {}),
        }
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response


def _version_context(version: Any, units: str) -> dict[str, object]:
    sold = as_sold(version)
    offers = [PriceOffer(price.currency, price.terms, price.meter_code or None) for price in sold.prices]
    asked = _units(units)
    names = {price.meter_code: price.meter_name for price in sold.prices if price.meter_code}
    prices = [
        {
            "currency": price.currency,
            "what": price.meter_name or "Monthly fee",
            "model": _model(price),
            "terms": shown_terms(price.terms, price.unit),
        }
        for price in sold.prices
    ]
    subscriptions = f"{reverse('admin:billing_subscription_changelist')}?plan_version__id__exact={version.pk}"
    return {
        "prices": prices,
        "examples": examples_of(offers, asked, names) if names else [],
        "units": [{"given": str(units), "shown": number_text(units)} for units in UNITS_SHOWN],
        "live_total": version.live_total,
        "subscriptions_url": subscriptions,
    }


def _model(price: Any) -> str:
    return "in advance" if price.meter_id is None else type(price.terms).__name__.replace("PerUnit", "Per unit").lower()


def _units(text: str) -> Decimal:
    """Return the example's quantity, or the default if the text is not a quantity."""
    try:
        units = Decimal(text)
    except InvalidOperation:
        return Decimal(UNITS_BY_DEFAULT)
    return units if units.is_finite() and 0 <= units <= UNITS_MAX else Decimal(UNITS_BY_DEFAULT)
