"""The forms for creating, rotating and finding API keys."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django import forms

from accounts.domain.api_key import KeyKind
from accounts.domain.networks import canonical_cidr
from accounts.domain.scopes import Scope
from accounts.selectors.directory import ENDED, QUARANTINED, USABLE
from portal.forms.period import CHOICE_ERRORS

CIDRS_MAX: Final = 50
RATE_MAX: Final = 1_000_000
_SCOPE_HELP: Final = {
    Scope.EVENTS_WRITE: "Send events, authorize requests, void events",
    Scope.USAGE_READ: "Read usage and the raw events",
    Scope.BILLING_READ: "Read plans and invoices",
    Scope.KEYS_MANAGE: "Create, rotate and revoke keys",
    Scope.WEBHOOKS_MANAGE: "Manage webhook endpoints",
}
_KINDS: Final = (
    (KeyKind.LIVE.value, "Live: its events count towards usage and quotas"),
    (KeyKind.TEST.value, "Test: its events are kept separate, and never count towards usage or quotas"),
)
_GRACES: Final = (("0", "At once"), ("3600", "In one hour"), ("86400", "In one day"), ("604800", "In seven days"))


class NewKeyForm(forms.Form):
    """All properties of a key; only a name, a kind and a scope are required."""

    name = forms.CharField(max_length=100, help_text="Where you will use it, such as “Production gateway”.")
    kind = forms.ChoiceField(choices=_KINDS, widget=forms.RadioSelect, initial=KeyKind.LIVE.value)
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.EVENTS_WRITE.value, Scope.USAGE_READ.value],
        help_text="A key cannot do more than your role allows.",
    )
    environment = forms.CharField(required=False, max_length=30, help_text="Such as production. Only to find it again.")
    tags = forms.CharField(required=False, max_length=400, help_text="Separated by commas.")
    expires_at = forms.DateTimeField(
        required=False,
        label="Expires",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    allowed_cidrs = forms.CharField(
        required=False,
        label="Allowed networks",
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "203.0.113.0/24"}),
        help_text="One address or CIDR per line. Leave empty to allow every address.",
    )
    throttle_rate = forms.IntegerField(required=False, min_value=1, max_value=RATE_MAX, label="Requests a second")
    throttle_burst = forms.IntegerField(
        required=False, min_value=1, max_value=RATE_MAX, label="Burst", help_text="Maximum requests at once."
    )
    quota = forms.DecimalField(
        required=False,
        min_value=0,
        max_digits=20,
        decimal_places=9,
        label="Requests a month",
        help_text="A hard quota for this key only.",
    )

    def __init__(self, *args: Any, scopes: Iterable[Scope], as_of: datetime, **kwargs: Any) -> None:
        """Offer `scopes`, and store the time, since a new key must not be expired."""
        super().__init__(*args, **kwargs)
        self.as_of = as_of
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField), "the form's own field"
        field.choices = [(scope.value, f"{scope.value}: {_SCOPE_HELP[scope]}") for scope in scopes]

    def clean_expires_at(self) -> datetime | None:
        """Check that the expiry is in the future."""
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= self.as_of:
            raise forms.ValidationError("Choose a time in the future.")
        return expires_at

    def clean_allowed_cidrs(self) -> list[str]:
        """Return the networks, one a line, in their canonical form."""
        lines = self.cleaned_data["allowed_cidrs"].split()
        if len(lines) > CIDRS_MAX:
            raise forms.ValidationError(f"At most {CIDRS_MAX} networks.")
        cidrs = [canonical_cidr(line) for line in lines]
        for line, cidr in zip(lines, cidrs, strict=True):
            if cidr is None:
                raise forms.ValidationError(f"“{line[:60]}” is not an address or a network such as 203.0.113.0/24.")
        return [cidr for cidr in cidrs if cidr is not None]

    def clean_tags(self) -> list[str]:
        """Return the tags as a list."""
        return split_tags(self.cleaned_data["tags"])

    def clean(self) -> dict[str, Any]:
        """Check the throttle: a burst needs a rate, and a rate alone is also the burst."""
        cleaned = super().clean() or self.cleaned_data
        rate, burst = cleaned.get("throttle_rate"), cleaned.get("throttle_burst")
        if burst is not None and rate is None and "throttle_rate" not in self.errors:
            self.add_error("throttle_rate", "Enter requests a second as well.")
        return cleaned | {"throttle_burst": rate if burst is None else burst}


class LabelsForm(forms.Form):
    """The labels of a key."""

    environment = forms.CharField(required=False, max_length=30, help_text="Such as production.")
    tags = forms.CharField(required=False, max_length=400, help_text="Separated by commas.")

    def clean_tags(self) -> list[str]:
        """Return the tags as a list."""
        return split_tags(self.cleaned_data["tags"])


class RotateKeyForm(forms.Form):
    """The time at which the old key stops working."""

    grace_seconds = forms.TypedChoiceField(
        choices=_GRACES,
        coerce=int,
        initial="86400",
        label="The old key stops working",
        help_text="Until then both keys work.",
    )


class KeysFilterForm(forms.Form):
    """The filter of keys."""

    search = forms.CharField(required=False, max_length=100, label="Name or beginning")
    state = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Every state"),
            (USABLE, "Usable"),
            (QUARANTINED, "Quarantined"),
            (ENDED, "Revoked or expired"),
        ],
    )
    kind = forms.ChoiceField(
        required=False, choices=[("", "Live and test"), (KeyKind.LIVE.value, "Live"), (KeyKind.TEST.value, "Test")]
    )
    environment = forms.ChoiceField(required=False, error_messages=CHOICE_ERRORS)
    tag = forms.ChoiceField(required=False, error_messages=CHOICE_ERRORS)

    def __init__(self, *args: Any, environments: Iterable[str], tags: Iterable[str], **kwargs: Any) -> None:
        """Offer the labels that are in use; without any, no filter by them."""
        super().__init__(*args, **kwargs)
        for name, values, every in (("environment", environments, "Every environment"), ("tag", tags, "Every tag")):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField), "the form's own field"
            field.choices = [("", every), *((value, value) for value in values)]
            if not values:
                del self.fields[name]


def split_tags(text: str) -> list[str]:
    """Return the tags of a line, which are separated by commas."""
    return [tag.strip() for tag in text.split(",") if tag.strip()]


def chosen(form: forms.Form) -> Mapping[str, Any]:
    """Return the choices of a filter form; none if it is not valid, so that a bad address shows the whole list."""
    return form.cleaned_data if form.is_valid() else {}
