"""The filter of sent events."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django import forms

from accounts.selectors.directory import KeyLabel
from metering.models import Verdict
from metering.selectors.debugger import ACCEPTED, SentEventFilters
from portal.forms.period import CHOICE_ERRORS
from portal.forms.usage import LEDGERS

_OUTCOMES: Final = (("", "Every outcome"), (ACCEPTED, "Accepted"), *Verdict.choices)


class EventsForm(forms.Form):
    """The filter by outcome, type, key, id and ledger, from the address."""

    outcome = forms.ChoiceField(required=False, choices=_OUTCOMES, error_messages=CHOICE_ERRORS)
    type = forms.ChoiceField(required=False, error_messages=CHOICE_ERRORS)
    api_key = forms.TypedChoiceField(
        required=False, label="API key", coerce=UUID, empty_value=None, error_messages=CHOICE_ERRORS
    )
    event_id = forms.CharField(required=False, max_length=255, strip=False, label="Event id, exactly")
    source = forms.CharField(required=False, max_length=1024, strip=False, label="Its source (CloudEvents)")
    ledger = forms.ChoiceField(required=False, choices=LEDGERS, error_messages=CHOICE_ERRORS)

    def __init__(
        self, given: Mapping[str, Any], *, event_types: Iterable[str], keys: Iterable[tuple[UUID, KeyLabel]]
    ) -> None:
        """Offer the known event types and the tenant's keys."""
        super().__init__(given)
        self.fields["type"].choices = [("", "Every type"), *((code, code) for code in sorted(event_types))]  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["api_key"].choices = [("", "Every key"), *((str(key_id), str(label)) for key_id, label in keys)]  # type: ignore[attr-defined]  # a ChoiceField

    @property
    def is_live(self) -> bool:
        """Return whether the live half of the ledger is shown, which is the default."""
        return not (self.is_valid() and self.cleaned_data["ledger"] == "test")

    @property
    def filters(self) -> SentEventFilters:
        """Return the filters of the list; none if the form is not valid."""
        if not self.is_valid():
            return SentEventFilters()
        cleaned = self.cleaned_data
        return SentEventFilters(
            outcome=cleaned["outcome"],
            event_type=cleaned["type"],
            api_key_id=cleaned["api_key"],
            event_id=cleaned["event_id"],
            source=cleaned["source"],
        )
