"""The form in which staff record a payment that they saw arrive."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminTextInputWidget

from billing.domain.money import round_to_minor, to_major
from billing.models import Invoice
from metering.domain.periods import start_of_day


class PaymentForm(forms.Form):
    """A transfer that somebody saw arrive."""

    amount = forms.DecimalField(max_digits=20, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}))
    received_on = forms.DateField(widget=UnfoldAdminDateWidget, help_text="The day on which the money arrived.")
    reference = forms.CharField(
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
        help_text="What the bank statement calls it; each is taken once.",
    )

    def __init__(self, data: Any, invoice: Invoice, today: date) -> None:
        super().__init__(
            data, initial={"amount": to_major(invoice.total_minor, invoice.currency), "received_on": today}
        )
        self.fields["amount"].label = f"Amount in {invoice.currency}"
        self.today, self.currency = today, invoice.currency

    def clean_received_on(self) -> date:
        """Not in the future."""
        day: date = self.cleaned_data["received_on"]
        if day > self.today:
            raise forms.ValidationError("This day has not come yet.")
        return day

    def clean_amount(self) -> Decimal:
        """To the currency's last digit."""
        amount: Decimal = self.cleaned_data["amount"]
        if not amount.is_finite() or to_major(round_to_minor(amount, self.currency), self.currency) != amount:
            raise forms.ValidationError("More digits than the currency has.")
        return amount


def noon_of(day: date, time_zone: str) -> datetime:
    """The middle of a day, for what is only known to the day."""
    start = start_of_day(day, time_zone)
    return start + (datetime.combine(day, time(12)) - datetime.combine(day, time(0)))
