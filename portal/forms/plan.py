"""The forms for choosing, changing and cancelling a plan. Each has the version of the subscription that was shown."""

from typing import Final

from django import forms

from billing.services.subscriptions.changes import When

_WHEN_CHANGED: Final = (
    (When.NOW.value, "Now: fees are prorated by the day"),
    (When.PERIOD_END.value, "At the end of the period"),
)
_WHEN_CANCELLED: Final = ((When.PERIOD_END.value, "At the end of the period"), (When.NOW.value, "Now"))


class WhenForm(forms.Form):
    """The time at which a change takes effect; the preview is shown for the choice."""

    when = forms.TypedChoiceField(
        choices=_WHEN_CHANGED,
        coerce=When,
        widget=forms.RadioSelect,
        initial=When.NOW.value,
        label="When should it begin?",
    )


class ChangeForm(WhenForm):
    """The confirmation of a change: the terms that were shown, and the version of the subscription."""

    plan_version = forms.IntegerField(widget=forms.HiddenInput)
    version = forms.IntegerField(widget=forms.HiddenInput)


class OrderForm(forms.Form):
    """The confirmation of a first plan: the terms that were shown."""

    plan_version = forms.IntegerField(widget=forms.HiddenInput)


class CancelPlanForm(forms.Form):
    """The time at which a subscription ends."""

    when = forms.TypedChoiceField(
        choices=_WHEN_CANCELLED, coerce=When, widget=forms.RadioSelect, initial=When.PERIOD_END.value
    )
    version = forms.IntegerField(widget=forms.HiddenInput)


class UndoForm(forms.Form):
    """The confirmation that undoes a scheduled change."""

    version = forms.IntegerField(widget=forms.HiddenInput)
