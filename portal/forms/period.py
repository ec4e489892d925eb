"""The choice of a period, kept in the address, as the overview and the page of usage have it."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from django import forms

from metering.domain.periods import Span, is_in_reach
from portal.forms.statement import OUT_OF_ORDER
from portal.periods import BILLING, CHOICES, CUSTOM, Calendar

CHOICE_ERRORS: Final = {"invalid_choice": "Choose one of the list."}
_DATE: Final = {"type": "date"}


class PeriodForm(forms.Form):
    """The period, from the address. Every field has a default, so an address without parameters is valid."""

    period = forms.ChoiceField(choices=CHOICES, error_messages=CHOICE_ERRORS)
    start = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs=_DATE))
    end = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs=_DATE))

    defaults: Mapping[str, str] = {"period": BILLING}

    def __init__(self, given: Mapping[str, Any], *, calendar: Calendar) -> None:
        """Read `given` over the defaults."""
        self.chosen = {name: given.get(name) or self.defaults.get(name, "") for name in self.base_fields}
        super().__init__(self.chosen)
        self.calendar = calendar

    def clean(self) -> dict[str, Any]:
        """Refuse a span that is empty or out of range."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        span = self._span(cleaned)
        return cleaned if span is None else cleaned | {"span": span}

    @property
    def before(self) -> Span:
        """Return the span that the valid choice is compared with."""
        return self.calendar.before(self.cleaned_data["period"], self.cleaned_data["span"])

    def _choices(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField), "the form's own field"
        return field

    def _span(self, cleaned: Mapping[str, Any]) -> Span | None:
        period = cleaned["period"]
        if period == CUSTOM:
            return self._custom_span(cleaned.get("start"), cleaned.get("end"))
        return self.calendar.span(period)

    def _custom_span(self, start: date | None, end: date | None) -> Span | None:
        if start is None or end is None:
            self.add_error("start", "Choose the first and the last day.")
        elif not (is_in_reach(start) and is_in_reach(end)):
            self.add_error("start", "Choose another year.")
        elif end < start:
            self.add_error("end", OUT_OF_ORDER)
        else:
            return self.calendar.days(start, end)
        return None
