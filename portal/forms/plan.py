"""Choosing, changing and leaving a plan. Each form says which state of the subscription its author saw."""

from typing import Final

from django import forms

from billing.services.subscriptions.changes import When

_WHEN_CHANGED: Final = (
    (When.NOW.value, "Now: fees are prorated by the day"),
    (When.PERIOD_END.value, "At the end of the period"),
)
_WHEN_CANCELLED: Final = ((When.PERIOD_END.value, "At the end of the period"), (When.NOW.value, "Now"))


class WhenForm(forms.Form):
    """When a change shall take effect; the preview is shown for what is chosen."""

    when = forms.TypedChoiceField(
        choices=_WHEN_CHANGED,
        coerce=When,
        widget=forms.RadioSelect,
        initial=When.NOW.value,
        label="When shall it begin?",
    )


class ChangeForm(WhenForm):
    """The confirmation: the terms that were shown, and the state of the subscription that they were computed from."""

    plan_version = forms.IntegerField(widget=forms.HiddenInput)
    version = forms.IntegerField(widget=forms.HiddenInput)


class OrderForm(forms.Form):
    """The confirmation of a first plan: the terms that were shown."""

    plan_version = forms.IntegerField(widget=forms.HiddenInput)


class CancelForm(forms.Form):
    """When a subscription shall end."""

    when = forms.TypedChoiceField(
        choices=_WHEN_CANCELLED, coerce=When, widget=forms.RadioSelect, initial=When.PERIOD_END.value
    )
    version = forms.IntegerField(widget=forms.HiddenInput)


class UndoForm(forms.Form):
    """Taking back what waits."""

    version = forms.IntegerField(widget=forms.HiddenInput)
