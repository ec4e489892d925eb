"""The choice of mails about limits, invoices and trials."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from django import forms

from metering.alerts.domain.alerts import PERCENT_MAX
from metering.alerts.domain.own_thresholds import OwnThresholdTerms
from metering.domain.periods import Period

PERCENT, UNITS = "percent", "units"
_QUANTITY_MIN: Final = Decimal("0.000000001")


class OwnThresholdForm(forms.Form):
    """A new threshold on a quota. The value of a quota is its meter's code and its period."""

    quota = forms.ChoiceField()
    at = forms.DecimalField(max_digits=20, decimal_places=9, min_value=_QUANTITY_MIN, label="Alert at")
    measure = forms.ChoiceField(
        choices=[(PERCENT, "percent of the quota"), (UNITS, "units, whatever the quota is")],
        initial=PERCENT,
        label="Measured in",
    )

    def __init__(self, *args: Any, quotas: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        """Offer the quotas of the organisation's plan."""
        super().__init__(*args, **kwargs)
        self.fields["quota"].choices = list(quotas)  # type: ignore[attr-defined] # a choice field

    def clean(self) -> dict[str, Any]:
        """Refuse what is no percentage."""
        cleaned: dict[str, Any] = super().clean() or {}
        at = cleaned.get("at")
        if at is not None and cleaned.get("measure") == PERCENT and (at % 1 or not 1 <= at <= PERCENT_MAX):
            self.add_error("at", f"A percentage is a whole number from 1 to {PERCENT_MAX}.")
        return cleaned

    def terms(self) -> OwnThresholdTerms:
        """Return what was entered. The form is valid."""
        code, _, period = self.cleaned_data["quota"].rpartition(":")
        at, is_percent = self.cleaned_data["at"], self.cleaned_data["measure"] == PERCENT
        return OwnThresholdTerms(
            code, Period(period), percent=int(at) if is_percent else None, quantity=None if is_percent else at
        )


class OrganisationAlertsForm(forms.Form):
    """The organisation's switch, which overrides that of each member."""

    wants_usage_alerts = forms.BooleanField(
        required=False,
        label="Send usage alerts by e-mail",
        help_text="If off, no member gets usage alerts by e-mail, whatever they chose. Alerts are still listed here.",
    )


class MemberMailsForm(forms.Form):
    """The mails that a member wants; those about money only if their role may see it."""

    wants_usage_alerts = forms.BooleanField(
        required=False,
        label="Usage alerts",
        help_text="At 80, 95 and 100 percent of a quota, and at your own thresholds.",
    )
    wants_unusual_usage = forms.BooleanField(
        required=False, label="Unusual usage", help_text="Spikes, drops, and meters that stopped, also of single keys."
    )
    wants_key_leaks = forms.BooleanField(
        required=False, label="Leaked keys", help_text="When a key was found in public and is refused since."
    )
    wants_key_expiries = forms.BooleanField(
        required=False, label="Keys that expire", help_text="Some days before a key expires, once for each key."
    )
    wants_webhook_problems = forms.BooleanField(
        required=False, label="Webhooks", help_text="When an endpoint was disabled because nothing reaches it."
    )
    wants_invoices = forms.BooleanField(required=False, label="Invoices", help_text="Each new invoice, with its PDF.")
    wants_trial_ends = forms.BooleanField(
        required=False, label="End of a trial", help_text="Some days before the first fee is charged."
    )

    def __init__(self, *args: Any, may_see_money: bool, may_manage_keys: bool, **kwargs: Any) -> None:
        """Offer the mails that the role allows."""
        super().__init__(*args, **kwargs)
        if not may_manage_keys:
            for name in ("wants_key_leaks", "wants_key_expiries", "wants_webhook_problems"):
                del self.fields[name]
        if not may_see_money:
            del self.fields["wants_invoices"], self.fields["wants_trial_ends"]
