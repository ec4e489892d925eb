"""The forms of webhooks: an endpoint, the rotation of its secret, replays, and the filter of deliveries."""

from collections.abc import Sequence
from typing import Any, Final

from django import forms

from accounts.domain.public_addresses import URL_CHARACTERS_MAX
from accounts.webhooks.domain.event_types import EVENT_TYPES, TEST_EVENT
from accounts.webhooks.domain.statuses import DeliveryStatus
from accounts.webhooks.domain.terms import DESCRIPTION_CHARACTERS_MAX

_GRACES: Final = (("0", "At once"), ("3600", "In one hour"), ("86400", "In one day"), ("604800", "In seven days"))
_CHOSEN_TYPES: Final = tuple(name for name in EVENT_TYPES if name != TEST_EVENT)
FAILED: Final = "failed"
ALL: Final = "all"


class EndpointForm(forms.Form):
    """The address of an endpoint, and the events that it receives."""

    url = forms.CharField(
        max_length=URL_CHARACTERS_MAX,
        label="URL",
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/webhooks", "autocomplete": "off"}),
        help_text="Where your program receives events. It must be reachable from the internet.",
    )
    description = forms.CharField(
        required=False, max_length=DESCRIPTION_CHARACTERS_MAX, help_text="Such as “Books” or “Data team”."
    )
    event_types = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(name, name) for name in _CHOSEN_TYPES],
        label="Events",
        help_text="Choose none to receive all, also types that are added later.",
    )


class RotateSecretForm(forms.Form):
    """The time at which the earlier secret stops signing."""

    grace_seconds = forms.TypedChoiceField(
        choices=_GRACES,
        coerce=int,
        initial="86400",
        label="The old secret stops working",
        help_text="Until then each message has a signature by each of the two secrets.",
    )


class ReplayForm(forms.Form):
    """What is sent again."""

    only = forms.ChoiceField(
        choices=[
            (FAILED, "Deliveries that failed"),
            (ALL, "Every event of the span, also those that were never sent"),
        ],
        widget=forms.RadioSelect,
        initial=FAILED,
        label="Send again",
    )
    start = forms.DateTimeField(
        required=False,
        label="From",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Leave empty to begin with the first event.",
    )
    end = forms.DateTimeField(
        required=False,
        label="Until",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Leave empty for now.",
    )


class DeliveriesFilterForm(forms.Form):
    """The filter of an endpoint's deliveries."""

    status = forms.ChoiceField(
        required=False,
        choices=[("", "Every status"), *((status.value, status.value.capitalize()) for status in DeliveryStatus)],
    )
    event_type = forms.ChoiceField(required=False, label="Event")

    def __init__(self, *args: Any, event_types: Sequence[str] = EVENT_TYPES, **kwargs: Any) -> None:
        """Offer the types of events."""
        super().__init__(*args, **kwargs)
        field = self.fields["event_type"]
        assert isinstance(field, forms.ChoiceField), "the form's own field"
        field.choices = [("", "Every event"), *((name, name) for name in event_types)]
