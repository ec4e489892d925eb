"""The choice of mails about limits, invoices and trials."""

from typing import Any

from django import forms


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
        required=False, label="Usage alerts", help_text="At 80, 95 and 100 percent of a quota."
    )
    wants_unusual_usage = forms.BooleanField(
        required=False, label="Unusual usage", help_text="Spikes, drops, and meters that stopped, also of single keys."
    )
    wants_key_leaks = forms.BooleanField(
        required=False, label="Leaked keys", help_text="When a key was found in public and is refused since."
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
            del self.fields["wants_key_leaks"], self.fields["wants_webhook_problems"]
        if not may_see_money:
            del self.fields["wants_invoices"], self.fields["wants_trial_ends"]
