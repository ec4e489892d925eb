"""The form that asks about a line of an invoice."""

from typing import Final

from django import forms

from billing.desk.domain.line_questions import EVENTS_MAX, REASON_CHARACTERS_MAX, EventName, names_in

_EVENTS_CHARACTERS_MAX: Final = EVENTS_MAX * 1300


class LineQuestionForm(forms.Form):
    """The reason, and the events that are meant, one id a line."""

    reason = forms.CharField(
        label="What is wrong with it?",
        max_length=REASON_CHARACTERS_MAX,
        widget=forms.Textarea({"rows": 4}),
    )
    events = forms.CharField(
        label="Events",
        required=False,
        max_length=_EVENTS_CHARACTERS_MAX,
        widget=forms.Textarea({"rows": 5, "spellcheck": "false"}),
        help_text=f"The ids of the events that should not count, one a line, at most {EVENTS_MAX}.",
    )

    def clean_events(self) -> list[EventName]:
        """Return the names of the events."""
        return names_in(self.cleaned_data["events"])
