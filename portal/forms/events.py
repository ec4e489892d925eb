"""The filter of sent events."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import to_current_timezone

from accounts.selectors.directory import KeyLabel
from metering.domain.periods import is_in_reach
from metering.models import Verdict
from metering.selectors.debugger import ACCEPTED, SentEventFilters
from portal.forms.period import CHOICE_ERRORS
from portal.forms.usage import LEDGERS

_OUTCOMES: Final = (("", "Every outcome"), (ACCEPTED, "Accepted"), *Verdict.choices)


class LocalInstantField(forms.DateTimeField):
    """An instant: in the tenant's zone as the browser's field has it, or with its own offset, as links have it."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"})
    default_error_messages: ClassVar = {"invalid": "Enter a day and a time."}

    def to_python(self, value: Any) -> datetime | None:
        """Return the instant of a text. Refuses years that no zone can show."""
        found: datetime | None = super().to_python(value)
        if found is not None and not is_in_reach(found.date()):
            raise ValidationError("Choose another year.")
        return found

    def prepare_value(self, value: object) -> object:
        """Return what the browser's field shows of a given text or instant: the time in the tenant's zone."""
        try:
            found = self.to_python(value)
        except ValidationError:
            return value
        return value if found is None else to_current_timezone(found).isoformat(timespec="seconds")


class EventsForm(forms.Form):
    """The filter by outcome, type, key, time, id and ledger, from the address."""

    outcome = forms.ChoiceField(required=False, choices=_OUTCOMES, error_messages=CHOICE_ERRORS)
    type = forms.ChoiceField(required=False, error_messages=CHOICE_ERRORS)
    api_key = forms.TypedChoiceField(
        required=False, label="API key", coerce=UUID, empty_value=None, error_messages=CHOICE_ERRORS
    )
    start = LocalInstantField(required=False, label="From")
    end = LocalInstantField(required=False, label="Until")
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

    def clean(self) -> dict[str, Any]:
        """Refuse a span that is empty."""
        cleaned = super().clean() or self.cleaned_data
        start, end = cleaned.get("start"), cleaned.get("end")
        if start is not None and end is not None and end <= start:
            self.add_error("end", "Choose a time after the first.")
        return cleaned

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
            start=cleaned["start"],
            end=cleaned["end"],
        )
