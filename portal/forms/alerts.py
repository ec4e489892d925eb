"""Which mails about limits and money somebody wants."""

from typing import Any

from django import forms


class OrganisationAlertsForm(forms.Form):
    """The organisation's own switch, above that of each member."""

    wants_usage_alerts = forms.BooleanField(
        required=False,
        label="Send usage alerts by e-mail",
        help_text="Off: nobody gets one, whatever they chose for themselves. Alerts are listed here all the same.",
    )


class MemberMailsForm(forms.Form):
    """What a member wants for themselves; invoices only where their role may see them."""

    wants_usage_alerts = forms.BooleanField(
        required=False, label="Usage alerts", help_text="At 80, 95 and 100 percent of a quota."
    )
    wants_invoices = forms.BooleanField(required=False, label="Invoices", help_text="Each new invoice, with its PDF.")

    def __init__(self, *args: Any, may_have_invoices: bool, **kwargs: Any) -> None:
        """Offer what the role may have."""
        super().__init__(*args, **kwargs)
        if not may_have_invoices:
            del self.fields["wants_invoices"]
