"""The forms of channels: a new one, and the terms of one."""

from typing import Any, Final

from django import forms

from accounts.channels.domain.quiet import QuietHours
from accounts.channels.domain.terms import NAME_CHARACTERS_MAX, ChannelTerms
from accounts.channels.domain.types import TYPES, ChannelType
from accounts.channels.models import Channel
from accounts.domain.public_addresses import URL_CHARACTERS_MAX
from accounts.notices.selectors.kinds import label_of
from portal.forms.settings import time_zones

MINE: Final = "mine"
SHARED: Final = "shared"
_CLOCK: Final = "%H:%M"


def _clock() -> forms.TimeInput:
    return forms.TimeInput(attrs={"type": "time"}, format=_CLOCK)


class ChannelTermsForm(forms.Form):
    """The terms of a channel: what it is told, and when."""

    name = forms.CharField(max_length=NAME_CHARACTERS_MAX, help_text="Such as “#billing” or “On call”.")
    url = forms.CharField(
        required=False,
        max_length=URL_CHARACTERS_MAX,
        label="URL",
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
        help_text="It is a secret: it is encrypted, and never shown again.",
    )
    kinds = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Notices",
        help_text="Choose none to send all, also kinds that are added later.",
    )
    quiet_begins = forms.TimeField(required=False, label="Quiet from", widget=_clock())
    quiet_ends = forms.TimeField(
        required=False,
        label="Quiet until",
        widget=_clock(),
        help_text="Notices of these hours are sent when they end. A leaked key is told at once.",
    )
    digest_at = forms.TimeField(
        required=False,
        label="Daily digest at",
        widget=_clock(),
        help_text="One message of the day instead of one for each notice; none if nothing happened.",
    )
    time_zone = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, kinds: Any, organisation_zone: str, **kwargs: Any) -> None:
        """Offer the kinds of notices, and the time zones."""
        super().__init__(*args, **kwargs)
        self._offer("kinds", [(name, label_of(name)) for name in kinds])
        self._offer("time_zone", [("", f"As the organisation: {organisation_zone}"), *time_zones()])

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField), "the form's own field"
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        """Refuse quiet hours with one end."""
        cleaned = super().clean() or {}
        if (cleaned.get("quiet_begins") is None) != (cleaned.get("quiet_ends") is None) and not self.errors:
            self.add_error("quiet_ends", "Enter both times, or neither.")
        return cleaned

    @property
    def terms(self) -> ChannelTerms:
        """Return the terms that a valid form has."""
        said = self.cleaned_data
        begins, ends = said["quiet_begins"], said["quiet_ends"]
        return ChannelTerms(
            name=said["name"],
            url=said["url"],
            kinds=tuple(said["kinds"]),
            quiet=None if begins is None or ends is None else QuietHours(begins, ends),
            digest_at=said["digest_at"],
            time_zone=said["time_zone"],
        )


class NewChannelForm(ChannelTermsForm):
    """The type of a new channel, and whose it is."""

    type = forms.ChoiceField(choices=[(one.value, terms.label) for one, terms in TYPES.items()])
    whose = forms.ChoiceField(widget=forms.RadioSelect, label="For", initial=MINE)
    field_order = ("type", "whose", "name", "url", "kinds")

    def __init__(self, *args: Any, may_share: bool, organisation: str, **kwargs: Any) -> None:
        """Offer a channel of the organisation to those who manage it."""
        super().__init__(*args, **kwargs)
        shared = [(SHARED, f"{organisation}: all its notices, for everyone in that channel")] if may_share else []
        self._offer("whose", [(MINE, "You: the notices that you see"), *shared])
        self.fields["url"].help_text = "It is a secret: it is encrypted, and never shown again. Empty for e-mail."

    def clean(self) -> dict[str, Any]:
        """Refuse a missing address, and a shared channel for e-mail."""
        cleaned = super().clean()
        has_url = TYPES[ChannelType(cleaned.get("type", ChannelType.MAIL))].has_url
        if has_url and not cleaned.get("url") and "url" not in self.errors:
            self.add_error("url", "Enter the URL.")
        if cleaned.get("type") == ChannelType.MAIL and cleaned.get("whose") == SHARED:
            self.add_error("whose", "E-mail goes to one person: choose “You”.")
        return cleaned


def initial_of(channel: Channel) -> dict[str, object]:
    """Return what the form of a channel shows first. The URL is not in it."""
    names = ("name", "kinds", "quiet_begins", "quiet_ends", "digest_at", "time_zone")
    return {name: getattr(channel, name) for name in names}
