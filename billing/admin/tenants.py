"""Billing on a tenant's page: its subscription, its invoices and its billing profile."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from unfold.admin import StackedInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import Question, ReadOnlyInline, found_or_404, holds, staff_actor
from accounts.admin.by_state import posted
from accounts.admin.tenant_sections import TenantSection, register_tenant_section
from accounts.domain.plain import plain_decimal
from accounts.errors import InvalidFieldsError
from accounts.models import Tenant
from billing.admin.previews import previewed
from billing.admin.subscriptions import versions_on_sale
from billing.admin.tabs import InvoiceRowInline, SubscriptionRowInline
from billing.domain.invoicing.plausibility import AmountCheck
from billing.domain.languages import LANGUAGES
from billing.domain.money import money_text, round_to_minor, to_major
from billing.domain.plan_terms import TRIAL_DAYS_MAX
from billing.domain.tax import DECIDED_BY_STAFF
from billing.models import BillingProfile, PlanVersion
from billing.selectors.catalog.plans import sold_version
from billing.selectors.invoicing.preview import preview_first_invoice
from billing.selectors.subscriptions.current import current_subscription
from billing.services.subscriptions.profiles import (
    PAYMENT_DAYS_MAX,
    PURCHASE_ORDER_CHARACTERS_MAX,
    TERMS,
    update_billing_profile,
)
from billing.services.subscriptions.subscribing import subscribe


class SubscribeForm(forms.Form):
    """The plan to subscribe to, and the days of its trial."""

    plan_version = forms.ModelChoiceField(
        label="Plan", queryset=PlanVersion.objects.none(), widget=UnfoldAdminSelectWidget
    )
    trial_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=TRIAL_DAYS_MAX,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text="Empty: as the plan defines.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["plan_version"].queryset = versions_on_sale()  # type: ignore[attr-defined]


class BillingForm(forms.Form):
    """How a tenant is billed."""

    tax_treatment = forms.ChoiceField(
        choices=[(treatment.value, treatment.value.replace("_", " ").capitalize()) for treatment in DECIDED_BY_STAFF],
        widget=UnfoldAdminSelectWidget,
        help_text="Automatic: by the countries and, within the EU, by the tax ID.",
    )
    tax_percent = forms.DecimalField(
        required=False,
        min_value=0,
        max_value=100,
        max_digits=7,
        decimal_places=4,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="Replaces the rate of the tenant's country.",
    )
    tax_exemption_reason = forms.CharField(
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="Printed on the tenant's invoices if it is exempt or its own rate is 0.",
    )
    payment_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=PAYMENT_DAYS_MAX,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text="Replaces the seller's usual term.",
    )
    purchase_order = forms.CharField(
        required=False,
        max_length=PURCHASE_ORDER_CHARACTERS_MAX,
        widget=UnfoldAdminTextInputWidget,
        help_text="Printed on new invoices. A single draft's number can be changed on its own page.",
    )
    language = forms.ChoiceField(
        choices=list(LANGUAGES.items()), widget=UnfoldAdminSelectWidget, help_text="The language of new invoices."
    )
    amount_check = forms.ChoiceField(
        label="Look before finalizing",
        choices=[
            (AmountCheck.HISTORY.value, "if it is far above the last invoices"),
            (AmountCheck.LIMIT.value, "if it is above the amount below"),
            (AmountCheck.OFF.value, "never"),
        ],
        widget=UnfoldAdminSelectWidget,
        help_text="Which invoices wait for a review. Changes are kept in the audit log.",
    )
    amount_max_minor = forms.DecimalField(
        label="Highest amount",
        required=False,
        min_value=0,
        max_digits=15,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )

    def __init__(self, data: Any, *, currency: str, initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        self.currency = currency
        self.fields["amount_max_minor"].help_text = f"In {currency}, with tax."

    def clean_amount_max_minor(self) -> int | None:
        """Return the amount in minor units."""
        amount = self.cleaned_data["amount_max_minor"]
        return None if amount is None else round_to_minor(amount, self.currency)


class ProfileInline(ReadOnlyInline, StackedInline):
    """The tenant's billing profile, read-only. An action changes it."""

    model = BillingProfile
    tab = True
    hide_title = True
    fields = (
        "tax_treatment", "tax_percent", "tax_exemption_reason", "payment_days", "purchase_order", "language",
        "amount_check",
        "highest_amount", "card", "merchant_of_record",
    )  # fmt: skip
    readonly_fields = fields
    verbose_name_plural = "billing profile"

    @display(description="Highest amount without a look", empty_value="none")
    def highest_amount(self, profile: BillingProfile) -> str | None:
        """Return the amount with its currency."""
        highest_minor = profile.amount_max_minor
        return None if highest_minor is None else money_text(highest_minor, profile.tenant.currency)

    @display(description="Card", empty_value="none")
    def card(self, profile: BillingProfile) -> str | None:
        """Return the label of the card that pays invoices."""
        return profile.card_label or None


@register_tenant_section
class BillingSection(TenantSection):
    """The tenant's subscription, invoices and billing profile."""

    place = 30
    buttons = ("subscribe", "billing_profile")
    inlines = (SubscriptionRowInline, InvoiceRowInline, ProfileInline)

    has_bill_permission = holds("billing.change_billingprofile")
    has_subscribe_permission = holds("billing.add_subscription")

    def hidden_buttons(self, tenant: Tenant) -> Iterable[str]:
        """Return the buttons to hide. A tenant with a subscription changes its plan on the subscription's page."""
        return () if current_subscription(tenant.pk) is None else ("subscribe",)

    @action(description="Subscribe", permissions=["subscribe"], icon="add_shopping_cart")
    def subscribe(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Subscribe the tenant to a plan, after a preview of the first invoice."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        form = SubscribeForm(posted(request))
        is_answered = request.method == "POST" and form.is_valid()
        if is_answered and "preview" not in request.POST:
            given = form.cleaned_data
            return self.page.attempt(
                request,
                lambda: subscribe(
                    tenant=tenant, plan_version=given["plan_version"], trial_days=given["trial_days"],
                    actor=staff_actor(request), as_of=timezone.now(),
                ),
                said=lambda made: f"{tenant} is on {made.plan_version}.",
                back=self.page.page_of(tenant),
            )  # fmt: skip
        if request.method != "POST" and current_subscription(tenant.pk) is not None:
            messages.error(request, f"{tenant} has a subscription: change its plan there.")
            return redirect(self.page.page_of(tenant))
        extra: dict[str, object] = {"is_seen": is_answered}
        if is_answered:
            version = sold_version(form.cleaned_data["plan_version"].pk)
            extra |= previewed(lambda: preview_first_invoice(tenant=tenant, version=version, as_of=timezone.now()))
        return self.page.confirmation_page(
            request,
            tenant,
            form,
            question=Question(
                title=f"Subscribe {tenant}",
                explanation=f"In {tenant.currency}, from today on in {tenant.time_zone}. The limits of the plan hold "
                f"within a second, "
                "and the first fee is invoiced by the next run, or after the trial.",
                button="Subscribe",
            ),
            template="admin/billing/ask_with_preview.html",
            extra=extra,
        )

    @action(description="Billing profile", permissions=["bill"], icon="percent")
    def billing_profile(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Update the tenant's tax settings and terms by the service."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        profile = BillingProfile.objects.filter(tenant=tenant).first() or BillingProfile(tenant=tenant)
        initial = {name: getattr(profile, name) for name in TERMS}
        if profile.tax_percent is not None:
            initial["tax_percent"] = plain_decimal(profile.tax_percent)
        if profile.amount_max_minor is not None:
            initial["amount_max_minor"] = to_major(profile.amount_max_minor, tenant.currency)
        form = BillingForm(posted(request), currency=tenant.currency, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                update_billing_profile(
                    tenant=tenant, changes=form.cleaned_data, actor=staff_actor(request), as_of=timezone.now()
                )
            except InvalidFieldsError as error:
                for refused in error.field_errors:
                    form.add_error(refused.pointer.strip("/"), refused.detail)
            else:
                messages.success(request, f"{tenant} is billed as you said; its drafts follow.")
                return redirect(self.page.page_of(tenant))
        return self.page.confirmation_page(
            request,
            tenant,
            form,
            question=Question(
                title=f"How {tenant} is billed",
                explanation="Drafts and later invoices follow; what is finalized keeps its tax and its term. The "
                "address is the tenant's own.",
                button="Save",
            ),
        )
