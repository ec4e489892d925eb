"""The admin of tax rates, registrations of the seller and exchange rates."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin.base import Question, StaffModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ByState, ConfirmForm, posted
from accounts.domain.numbers import number_text
from accounts.models import Tenant
from billing.admin.base import WhyForm
from billing.domain.exchange import DayRate
from billing.domain.money import money_text
from billing.domain.tax import TaxDecision, TaxTreatment
from billing.models import ExchangeRate, Issuer, Subscription, TaxRate, TaxRegistration
from billing.selectors.taxes import number_with_rate
from billing.taxation.services.exchange_rates import add_exchange_rates, correct_exchange_rate
from billing.taxation.services.tax_settings import (
    confirm_tax_rules,
    delete_tax_rate,
    delete_tax_registration,
    is_tax_id_of_seller,
    save_tax_rate,
    save_tax_registration,
)

EXAMPLE_MINOR = 10_000


class SettingsAdmin(StaffModelAdmin):
    """Rows that a service writes and audits, one at a time."""

    actions: ClassVar[list[Any]] = []
    change_form_before_template = "admin/billing/hint.html"

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:  # noqa: ARG002 - Django's signature
        """Return no actions: each row is deleted on its own page."""
        return {}

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Skip: the service that the page calls writes the entry."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Render the form with a sentence about its effect."""
        row = self.get_object(request, unquote(object_id)) if object_id else None
        extra = {**(extra_context or {}), "hint": self.hint(row)}
        return super().changeform_view(request, object_id, form_url, extra)

    def hint(self, row: Any) -> str:  # noqa: ARG002 - a page may look at it
        """Return the sentence above the form; none unless a page has one."""
        return ""


@admin.register(TaxRate)
class TaxRateAdmin(SettingsAdmin):
    """The admin of tax rates by country. A rate of finalized invoices is read-only."""

    list_display = ("country", "name", "shown_percent", "valid_from", "category", "reason")
    search_fields = ("country", "name")
    fields = ("country", "name", "percent", "valid_from", "category", "reason")

    @display(description="Percent", ordering="percent")
    def shown_percent(self, rate: TaxRate) -> str:
        """Return the percentage without trailing zeros."""
        return f"{number_text(rate.percent)} %"

    def has_change_permission(self, request: HttpRequest, obj: TaxRate | None = None) -> bool:
        """Return False for a rate of finalized invoices."""
        return super().has_change_permission(request, obj) and (obj is None or number_with_rate(obj) is None)

    def has_delete_permission(self, request: HttpRequest, obj: TaxRate | None = None) -> bool:
        """Return False for a rate of finalized invoices."""
        return super().has_delete_permission(request, obj) and (obj is None or number_with_rate(obj) is None)

    def save_model(self, request: HttpRequest, obj: TaxRate, form: "forms.ModelForm[TaxRate]", change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save through the service, which writes the audit entry."""
        rate = TaxRate.objects.get(pk=obj.pk) if change else None
        saved = save_tax_rate(rate=rate, changes=form.cleaned_data, actor=staff_actor(request), as_of=timezone.now())
        obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete through the service, which writes the audit entry."""
        delete_tax_rate(rate=obj, actor=staff_actor(request), as_of=timezone.now())

    def hint(self, row: TaxRate | None) -> str:
        """Return the affected subscriptions and an example amount."""
        follows = "Drafts and later invoices use the rate of the day of supply; finalized invoices keep their rate."
        if row is None:
            return f"Invoices for a country without a row wait for staff. {follows}"
        live = Subscription.objects.live().filter(tenant__in=Tenant.objects.filter(country=row.country)).count()
        tax = TaxDecision(TaxTreatment.STANDARD, row.name, Decimal(row.percent)).amount_minor(EXAMPLE_MINOR, "EUR")
        concerned = f"{live} live subscription{'' if live == 1 else 's'} in {row.country}."
        example = f"100.00 EUR become {money_text(EXAMPLE_MINOR + tax, 'EUR')} with {row.name}."
        number = number_with_rate(row)
        used = "" if number is None else f" It stands on {number} and stays: a change is a new row with its first day."
        return f"{concerned} {example} {follows}{used}"


class TaxRegistrationForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """The form of a registration. It refuses a tax id that is not one of the country."""

    class Meta:
        model = TaxRegistration
        fields = ("country", "scheme", "tax_id", "valid_from", "valid_until")

    def clean(self) -> dict[str, Any]:
        """Check country and tax id together."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        country, tax_id = str(cleaned.get("country", "")), str(cleaned.get("tax_id", ""))
        if country and tax_id and not is_tax_id_of_seller(tax_id, country):
            self.add_error("tax_id", f"{tax_id} is not a tax id of {country}.")
        return cleaned


@admin.register(TaxRegistration)
class TaxRegistrationAdmin(SettingsAdmin):
    """The admin of the seller's registrations in other countries."""

    form = TaxRegistrationForm
    list_display = ("country", "scheme", "tax_id", "valid_from", "valid_until")
    search_fields = ("country", "tax_id")
    actions_list: ClassVar = ["confirm_tax_rules"]

    has_confirm_tax_permission = holds("billing.change_issuer")

    @action(description="Confirm tax rules", permissions=["confirm_tax"], icon="fact_check")
    def confirm_tax_rules(self, request: HttpRequest) -> HttpResponse:
        """Record that staff have read the tax rules."""
        issuer, form = Issuer.objects.get(pk=1), ConfirmForm(posted(request))
        if request.method == "POST" and form.is_valid():
            return self.attempt(
                request,
                lambda: confirm_tax_rules(actor=staff_actor(request), as_of=timezone.now()),
                said="The tax rules are confirmed.",
                back=self.page_of(TaxRegistration()),
            )
        so_far = "They are not confirmed for this country yet."
        if issuer.is_tax_confirmed:
            so_far = f"{issuer.tax_rules_confirmed_by} confirmed them, {issuer.tax_rules_confirmed_at:%Y-%m-%d}."
        return self.confirmation_page(
            request,
            TaxRegistration(),
            form,
            question=Question(
                title=f"Confirm the tax rules for {issuer.country or 'a seller without a country'}",
                explanation="The tax rules are a table in docs/algorithms/tax.md, with the article of each"
                " row. Ask a person who knows your country's tax law to read it, enter your registrations and rates,"
                f" and confirm the rules here. Your name and the day are stored. {so_far}",
                button="Confirm",
            ),
        )

    def save_model(
        self,
        request: HttpRequest,
        obj: TaxRegistration,
        form: "forms.ModelForm[TaxRegistration]",
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save through the service, which writes the audit entry."""
        registration = TaxRegistration.objects.get(pk=obj.pk) if change else None
        saved = save_tax_registration(
            registration=registration, changes=form.cleaned_data, actor=staff_actor(request), as_of=timezone.now()
        )
        obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete through the service, which writes the audit entry."""
        delete_tax_registration(registration=obj, actor=staff_actor(request), as_of=timezone.now())

    def hint(self, row: TaxRegistration | None) -> str:  # noqa: ARG002 - one sentence for all
        """Return the sentence about the effect of a registration."""
        return (
            "The seller's own country needs no row. For a registration that ends, enter its last day instead of"
            " deleting it: supplies until then are still taxed by it."
        )


class ExchangeRateForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """The form of an exchange rate. It refuses a day in the future."""

    class Meta:
        model = ExchangeRate
        fields = ("per", "currency", "day", "rate", "source")

    def clean_day(self) -> date:
        """Check that the day is not in the future."""
        day: date = self.cleaned_data["day"]
        if day > timezone.now().date():
            raise forms.ValidationError("The day is in the future.")
        return day

    def clean(self) -> dict[str, Any] | None:
        """Check that the rate is not known: one that is wrong is corrected on its page."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        day_of_pair = {name: given.get(name) for name in ("per", "currency", "day")}
        if all(day_of_pair.values()) and ExchangeRate.objects.filter(**day_of_pair).exists():
            raise forms.ValidationError("The rate of this day is known. Correct it on its page.")
        return given


class CorrectRateForm(WhyForm):
    """The right rate with its source, and why the stored one is wrong."""

    rate = forms.DecimalField(max_digits=20, decimal_places=10, widget=UnfoldAdminTextInputWidget)
    source = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget, help_text="Printed on invoices.")
    field_order = ("rate", "source", "reason")


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ByState, SettingsAdmin):
    """The admin of exchange rates. Rows are added, here or by `manage.py import_exchange_rates`, and corrected here."""

    form = ExchangeRateForm
    list_display = ("day", "per", "currency", "shown_rate", "source", "version", "reason")
    list_filter = ("currency",)
    date_hierarchy = "day"
    readonly_fields = ("version", "reason")
    actions_detail: ClassVar = ["correct"]
    has_correct_permission = holds("billing.add_exchangerate")

    @action(description="Correct", permissions=["correct"], icon="edit_note")
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the form, and add a later version of the rate."""
        rate: ExchangeRate = found_or_404(ExchangeRate.objects.all(), object_id)
        return self.decide(
            request,
            rate,
            CorrectRateForm(posted(request)),
            lambda given: correct_exchange_rate(
                rate_id=rate.pk,
                right=DayRate(rate.per, rate.currency, rate.day, given["rate"], given["source"]),
                reason=given["reason"],
                actor=staff_actor(request),
                as_of=timezone.now(),
            ),
            name="correct",
            said=lambda done: f"Corrected: {done}.",
            question=Question(
                title=f"Correct {rate}?",
                explanation="The corrected rate is for invoices that are not issued yet. Issued documents keep the rate"
                " that they say; credit those that are wrong, or issue them again.",
                button="Correct it",
            ),
        )

    def has_change_permission(self, request: HttpRequest, obj: ExchangeRate | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: rates are never changed."""
        return False

    @display(description="Rate", ordering="rate")
    def shown_rate(self, rate: ExchangeRate) -> str:
        """Return the rate without zeros at its end."""
        return number_text(rate.rate)

    def has_delete_permission(self, request: HttpRequest, obj: ExchangeRate | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: rates are never deleted."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: ExchangeRate,
        form: "forms.ModelForm[ExchangeRate]",
        change: bool,  # noqa: ARG002, FBT001 - Django's signature
    ) -> None:
        """Save through the service, which writes the audit entry."""
        rate = DayRate(**form.cleaned_data)
        add_exchange_rates(rates=[rate], actor=staff_actor(request), as_of=timezone.now())
        stored = ExchangeRate.objects.filter(per=rate.per, currency=rate.currency, day=rate.day)
        obj.pk = stored.latest("version").pk

    def hint(self, row: ExchangeRate | None) -> str:  # noqa: ARG002 - one sentence for all
        """Return the sentence about the use of exchange rates."""
        return (
            "Invoices in another currency than the seller's show their tax in both, at the rate of the day of issue or"
            " the latest of the week before. manage.py import_exchange_rates imports the European Central Bank's files."
            " A wrong rate is corrected on its page; issued invoices keep theirs."
        )
