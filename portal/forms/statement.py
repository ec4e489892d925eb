"""Which days a statement of account is about."""

from typing import Any, Final

from django import forms

DAY = {"type": "date"}
OUT_OF_ORDER: Final = "The last day is before the first."


class SpanForm(forms.Form):
    """The first and the last day, both included."""

    start = forms.DateField(required=False, label="From", widget=forms.DateInput(DAY, format="%Y-%m-%d"))
    end = forms.DateField(required=False, label="To", widget=forms.DateInput(DAY, format="%Y-%m-%d"))

    def clean(self) -> dict[str, Any]:
        """Refuse days that are out of order."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        start, end = cleaned.get("start"), cleaned.get("end")
        if start and end and start > end:
            self.add_error("end", OUT_OF_ORDER)
        return cleaned
