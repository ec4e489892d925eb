"""The filter of invoices."""

from typing import Final

from django import forms

from billing.domain.statuses import InvoiceStatus
from billing.selectors.invoicing.found_invoices import OPEN, OVERDUE, InvoiceFilter
from portal.forms.period import CHOICE_ERRORS
from portal.forms.statement import SpanForm

_STATES: Final = (
    ("", "Every state"),
    (OPEN, "Open"),
    (OVERDUE, "Overdue"),
    (InvoiceStatus.PAID.value, "Paid"),
    (InvoiceStatus.VOID.value, "Void"),
    (InvoiceStatus.UNCOLLECTIBLE.value, "Uncollectible"),
)


class InvoicesForm(SpanForm):
    """The filter by state, days of issue, and a text, from the address."""

    text = forms.CharField(required=False, max_length=100, label="Number or line")
    state = forms.ChoiceField(required=False, choices=_STATES, error_messages=CHOICE_ERRORS)

    field_order = ("text", "state", "start", "end")

    @property
    def filter(self) -> InvoiceFilter:
        """Return what is wanted; everything if the form is not valid."""
        if not self.is_valid():
            return InvoiceFilter()
        cleaned = self.cleaned_data
        return InvoiceFilter(cleaned["state"], cleaned["start"], cleaned["end"], cleaned["text"])
