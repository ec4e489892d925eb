"""The form of a channel of staff."""

from typing import Any, Final

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminTimeWidget,
)

from accounts.channels.domain.quiet import QuietHours
from accounts.channels.domain.staff_notices import STAFF_LABELS
from accounts.channels.domain.terms import NAME_CHARACTERS_MAX, ChannelTerms
from accounts.channels.domain.types import TYPES, ChannelType
from accounts.domain.public_addresses import URL_CHARACTERS_MAX

# A webhook has a secret that is shown once, and e-mail goes to members.
STAFF_TYPES: Final = tuple(one for one, terms in TYPES.items() if terms.has_url and one is not ChannelType.WEBHOOK)


class StaffChannelForm(forms.Form):
    """The type and the terms of a new channel. Its services check them."""

    type = forms.ChoiceField(
        choices=[(one.value, TYPES[one].label) for one in STAFF_TYPES],
        widget=UnfoldAdminSelectWidget,
    )
    name = forms.CharField(max_length=NAME_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget)
    url = forms.CharField(
        max_length=URL_CHARACTERS_MAX,
        label="URL",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="It is a secret: it is encrypted, and never shown again.",
    )
    kinds = forms.MultipleChoiceField(
        required=False,
        label="Notices",
        choices=[(one.value, label) for one, label in STAFF_LABELS.items()],
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="Choose none to send all.",
    )
    quiet_begins = forms.TimeField(required=False, label="Quiet from", widget=UnfoldAdminTimeWidget)
    quiet_ends = forms.TimeField(required=False, label="Quiet until", widget=UnfoldAdminTimeWidget)
    digest_at = forms.TimeField(required=False, label="Daily digest at", widget=UnfoldAdminTimeWidget)
    time_zone = forms.CharField(
        required=False, max_length=64, widget=UnfoldAdminTextInputWidget, help_text="Such as Europe/Brussels; else UTC."
    )

    def clean(self) -> dict[str, Any]:
        """Refuse quiet hours with one end."""
        cleaned = super().clean() or {}
        if (cleaned.get("quiet_begins") is None) != (cleaned.get("quiet_ends") is None):
            self.add_error("quiet_ends", "Enter both times, or neither.")
        return cleaned


def terms_of(said: dict[str, Any]) -> ChannelTerms:
    """Return the terms that a valid form has."""
    begins, ends = said["quiet_begins"], said["quiet_ends"]
    return ChannelTerms(
        name=said["name"],
        url=said["url"],
        kinds=tuple(said["kinds"]),
        quiet=None if begins is None or ends is None else QuietHours(begins, ends),
        digest_at=said["digest_at"],
        time_zone=said["time_zone"],
    )


def type_of(said: dict[str, Any]) -> ChannelType:
    """Return the type that a valid form has."""
    return ChannelType(said["type"])
