"""Who sells, what tax is charged where, and the numbers that were given."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin, StaffModelAdmin
from accounts.domain.numbers import number_text
from accounts.domain.tenant_settings import is_time_zone
from accounts.models import Tenant
from billing.domain.money import money_text
from billing.domain.tax import TaxDecision, TaxTreatment
from billing.models import Issuer, NumberSeries, Subscription, TaxRate
from metering.domain.periods import local_day

_PREFIX = re.compile(r"[A-Z][A-Z0-9-]{0,9}", re.ASCII)
EXAMPLE_MINOR = 10_000
WHO = ("legal_name", "tax_id", "registration")
WHERE = ("address_line1", "address_line2", "postal_code", "city", "country", "email", "phone", "website")
TERMS = ("payment_days", "grace_minutes", "bank_account", "footer")
NUMBERS = ("invoice_prefix", "credit_note_prefix", "time_zone")


class IssuerForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """Refuses what no invoice could be issued with."""

    class Meta:
        model = Issuer
        fields = (*WHO, *WHERE, *TERMS, *NUMBERS)

    def clean_time_zone(self) -> str:
        """A zone that exists."""
        name = str(self.cleaned_data["time_zone"])
        if not is_time_zone(name):
            raise forms.ValidationError("A time zone of the IANA list, such as Europe/Berlin.")
        return name

    def clean(self) -> dict[str, Any]:
        """Two series of numbers, each with a prefix that can stand in an address."""
        cleaned = super().clean() or self.cleaned_data
        prefixes = ("invoice_prefix", "credit_note_prefix")
        for name in prefixes:
            if name in cleaned and not _PREFIX.fullmatch(cleaned[name]):
                self.add_error(name, "Capitals, digits and hyphens, beginning with a letter.")
        if cleaned.get(prefixes[0]) == cleaned.get(prefixes[1]):
            self.add_error(prefixes[1], "Credit notes are numbered in a series of their own.")
        return cleaned


@admin.register(Issuer)
class IssuerAdmin(StaffModelAdmin):
    """Who sells. There is one."""

    form = IssuerForm
    list_display = ("legal_name", "city", "country", "tax_id", "payment_days", "grace_minutes")
    change_form_before_template = "admin/billing/hint.html"
    fieldsets = (
        (None, {"fields": WHO}),
        ("Address", {"fields": WHERE}),
        ("Terms", {"fields": TERMS}),
        ("Numbers", {"fields": NUMBERS}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """A migration made it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Somebody sells."""
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With what the next invoice will be called."""
        issuer = Issuer.objects.filter(pk=1).first()
        extra = {**(extra_context or {}), "hint": "" if issuer is None else _next_number(issuer)}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response


def _next_number(issuer: Issuer) -> str:
    code = f"{issuer.invoice_prefix}-{local_day(timezone.now(), issuer.time_zone).year}"
    last = NumberSeries.objects.filter(pk=code).values_list("last_number", flat=True).first() or 0
    return (
        f"The next invoice will be {code}-{last + 1:06}, due {issuer.payment_days} days after its issue. "
        "Invoices that are finalized keep what they say; a new prefix begins a new series."
    )


@admin.register(TaxRate)
class TaxRateAdmin(StaffModelAdmin):
    """What is charged in which country."""

    list_display = ("country", "name", "shown_percent")
    search_fields = ("country", "name")
    fields = ("country", "name", "percent")
    change_form_before_template = "admin/billing/hint.html"

    @display(description="Percent", ordering="percent")
    def shown_percent(self, rate: TaxRate) -> str:
        """Without zeros that say nothing."""
        return f"{number_text(rate.percent)} %"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """With whom it concerns, and what it comes to."""
        rate = self.get_object(request, unquote(object_id)) if object_id else None
        extra = {**(extra_context or {}), "hint": _concerned(rate)}
        return super().changeform_view(request, object_id, form_url, extra)


def _concerned(rate: TaxRate | None) -> str:
    follows = "Drafts and later invoices follow a change at once; finalized invoices keep their rate."
    if rate is None:
        return f"Countries without a row are not taxed. {follows}"
    live = Subscription.objects.live().filter(tenant__in=Tenant.objects.filter(country=rate.country)).count()
    tax = TaxDecision(TaxTreatment.STANDARD, rate.name, Decimal(rate.percent)).amount_minor(EXAMPLE_MINOR, "EUR")
    concerned = f"{live} live subscription{'' if live == 1 else 's'} in {rate.country}."
    example = f"100.00 EUR become {money_text(EXAMPLE_MINOR + tax, 'EUR')} with {rate.name}."
    return f"{concerned} {example} {follows}"


@admin.register(NumberSeries)
class NumberSeriesAdmin(ReadOnlyModelAdmin):
    """The last number given in each series."""

    list_display = ("code", "last_number")
    search_fields = ("code",)
