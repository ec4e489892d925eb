"""Forms of staff: record money that arrived, allocate it to invoices, and record refunds."""

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.models import Tenant
from billing.admin.base import REASON_CHARACTERS_MAX
from billing.domain.money import money_text, round_to_minor, to_major
from billing.models import MANUAL_PROVIDER, Invoice, Payment, RefundWay
from metering.domain.periods import start_of_day


class AmountForm(forms.Form):
    """An amount in one currency, with no more digits than the currency has."""

    amount = forms.DecimalField(max_digits=20, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}))

    def __init__(self, data: Any, *, currency: str, amount_minor: int | None = None) -> None:
        initial = None if amount_minor is None else {"amount": to_major(amount_minor, currency)}
        super().__init__(data, initial=initial)
        self.fields["amount"].label = f"Amount in {currency}"
        self.currency = currency

    def clean_amount(self) -> Decimal:
        """Check that the amount has no more digits than the currency."""
        amount: Decimal = self.cleaned_data["amount"]
        if not amount.is_finite() or to_major(round_to_minor(amount, self.currency), self.currency) != amount:
            raise forms.ValidationError("More digits than the currency has.")
        return amount


class ArrivedForm(AmountForm):
    """Money that arrived on a day. Each reference is taken once."""

    received_on = forms.DateField(widget=UnfoldAdminDateWidget, help_text="The day on which the money arrived.")
    reference = forms.CharField(
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
        help_text="The reference on the bank statement. Each reference can be entered once.",
    )

    def __init__(self, data: Any, *, today: date, currency: str, amount_minor: int | None = None) -> None:
        super().__init__(data, currency=currency, amount_minor=amount_minor)
        self.fields["received_on"].initial = today
        self.today = today

    def clean_received_on(self) -> date:
        """Refuse a day in the future."""
        day: date = self.cleaned_data["received_on"]
        if day > self.today:
            raise forms.ValidationError("This day has not come yet.")
        return day


class PurchaseOrderForm(forms.Form):
    """The customer's number of its order."""

    purchase_order = forms.CharField(
        required=False,
        max_length=60,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: no purchase order number on this invoice.",
    )


class PaymentForm(ArrivedForm):
    """A transfer for an invoice: the amount due, less, or more if the box is ticked."""

    is_more = forms.BooleanField(
        required=False,
        label="More than is due",
        widget=UnfoldBooleanSwitchWidget,
        help_text="Tick this if more arrived than is due. The excess is kept as the customer's money.",
    )

    def __init__(self, data: Any, invoice: Invoice, today: date) -> None:
        super().__init__(data, today=today, currency=invoice.currency, amount_minor=invoice.amount_due_minor)
        self.due_minor = invoice.amount_due_minor

    def clean(self) -> dict[str, Any] | None:
        """Refuse more than is due unless the box is ticked, so that a typing error does not pass."""
        given = super().clean()
        amount = self.cleaned_data.get("amount")
        is_over = amount is not None and 0 < self.due_minor < round_to_minor(amount, self.currency)
        if is_over and not self.cleaned_data["is_more"]:
            due = money_text(self.due_minor, self.currency)
            self.add_error("amount", f"{due} are due. Tick below if more arrived.")
        return given


class UnassignedPaymentForm(ArrivedForm):
    """A transfer that names no invoice, with the customer who paid it."""

    tenant = forms.CharField(
        max_length=50, widget=UnfoldAdminTextInputWidget, help_text="The slug of the customer who paid."
    )

    def __init__(self, data: Any, today: date) -> None:
        super().__init__(data, today=today, currency="EUR")
        self.fields["currency"] = forms.RegexField(
            r"^[A-Z]{3}\Z", initial="EUR", widget=UnfoldAdminTextInputWidget, help_text="A code of ISO 4217."
        )
        self.fields["amount"].label = "Amount"
        self.order_fields(["tenant", "currency", "amount"])

    def clean_currency(self) -> str:
        """Remember the currency, which decides how many digits the amount may have."""
        self.currency = str(self.cleaned_data["currency"])
        return self.currency

    def clean_tenant(self) -> Tenant:
        """Return the tenant with this slug. Refuse an unknown one."""
        found = Tenant.objects.filter(slug=self.cleaned_data["tenant"]).first()
        if found is None:
            raise forms.ValidationError("There is no such customer.")
        return found


class AllocateForm(AmountForm):
    """The invoice that a customer's money pays, and how much of it."""

    reason = forms.CharField(max_length=REASON_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget)

    def __init__(self, data: Any, payment: Payment, invoices: Iterable[Invoice]) -> None:
        super().__init__(data, currency=payment.currency, amount_minor=payment.unallocated_minor)
        choices = [
            (str(row.pk), f"{row.number}: {money_text(row.amount_due_minor, row.currency)} due") for row in invoices
        ]
        self.fields["invoice"] = forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget)
        self.order_fields(["invoice", "amount", "reason"])


class TakeBackForm(forms.Form):
    """From which invoice the money is taken back, and why."""

    reason = forms.CharField(max_length=REASON_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget)

    def __init__(self, data: Any, invoices: Iterable[Invoice]) -> None:
        super().__init__(data)
        choices = [(str(row.pk), str(row)) for row in invoices]
        self.fields["invoice"] = forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget)
        self.order_fields(["invoice", "reason"])


class RefundForm(AmountForm):
    """A refund: the amount, the way and the reason."""

    reference = forms.CharField(
        max_length=255,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="The reference that the payment provider or the bank uses. Leave it empty to have the payment "
        "provider give the money back now.",
    )
    reason = forms.CharField(max_length=REASON_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget)

    def __init__(self, data: Any, payment: Payment) -> None:
        super().__init__(data, currency=payment.currency, amount_minor=payment.unallocated_minor)
        is_manual = payment.provider == MANUAL_PROVIDER
        unsuitable = {RefundWay.CHARGEBACK, RefundWay.PROVIDER} if is_manual else {RefundWay.CHARGEBACK}
        ways = forms.ChoiceField(
            choices=[choice for choice in RefundWay.choices if choice[0] not in unsuitable],
            initial=RefundWay.BANK_TRANSFER if is_manual else RefundWay.PROVIDER,
            widget=UnfoldAdminSelectWidget,
        )
        self.fields["way"] = ways
        self.order_fields(["amount", "way", "reference", "reason"])


def noon_of(day: date, time_zone: str) -> datetime:
    """Return noon of a day in a time zone, for a payment of which only the day is known."""
    start = start_of_day(day, time_zone)
    return start + (datetime.combine(day, time(12)) - datetime.combine(day, time(0)))
