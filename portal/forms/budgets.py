"""The forms of budgets. An amount of money is entered in the currency's major unit."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from django import forms

from metering.domain.budgets import SCOPE_ID_CHARACTERS_MAX, THRESHOLDS_DEFAULT, BudgetScope, threshold_errors
from metering.domain.periods import Period

_PERCENT: Final = re.compile(r"\d{1,4}", re.ASCII)
_WORDS: Final = {
    Period.DAY: "Each day",
    Period.WEEK: "Each week, from Monday",
    Period.MONTH: "Each month",
    Period.BILLING: "Each billing period",
}


class BudgetChangeForm(forms.Form):
    """What can be changed of a budget."""

    limit = forms.DecimalField(max_digits=20, decimal_places=9, min_value=Decimal("0.000000001"))
    thresholds = forms.CharField(
        required=False,
        max_length=100,
        initial=", ".join(str(threshold) for threshold in THRESHOLDS_DEFAULT),
        label="Alerts at",
        help_text="Percentages of the limit, such as 50, 75, 90, 100.",
    )
    does_stop = forms.BooleanField(required=False, label="Refuse requests beyond the limit")

    def __init__(self, *args: Any, is_money: bool = False, **kwargs: Any) -> None:
        """Create the form with a word on what a stop does."""
        super().__init__(*args, **kwargs)
        self.fields["does_stop"].help_text = (
            "From the check that finds the budget exceeded, within a minute. What is spent meanwhile is spent."
            if is_money
            else "Exactly, if your programs ask first. Usage that is reported afterwards still counts."
        )

    def clean_thresholds(self) -> tuple[int, ...]:
        """Read the percentages."""
        texts = [text for text in re.split(r"[,;%\s]+", self.cleaned_data["thresholds"]) if text]
        if not all(_PERCENT.fullmatch(text) for text in texts):
            raise forms.ValidationError("Percentages such as 50, 75, 90, 100.")
        thresholds = tuple(int(text) for text in texts)
        for error in threshold_errors(thresholds):
            raise forms.ValidationError(error.detail)
        return thresholds


class BudgetForm(BudgetChangeForm):
    """A new budget."""

    scope = forms.ChoiceField(
        choices=[
            (BudgetScope.TENANT.value, "The whole organisation"),
            (BudgetScope.API_KEY.value, "One API key"),
            (BudgetScope.SUBJECT.value, "One subject"),
        ],
        label="Whose usage",
    )
    api_key = forms.ChoiceField(required=False, label="API key", help_text="For a budget of one key.")
    subject = forms.CharField(
        required=False,
        strip=False,
        max_length=SCOPE_ID_CHARACTERS_MAX,
        help_text="For a budget of one user, project or team that your events name.",
    )
    measure = forms.ChoiceField(label="Measured in")
    period = forms.ChoiceField(choices=[(period.value, words) for period, words in _WORDS.items()], initial="month")
    field_order = (
        "scope",
        "api_key",
        "subject",
        "measure",
        "limit",
        "period",
        "thresholds",
        "does_stop",
    )

    def __init__(
        self, *args: Any, measures: Sequence[tuple[str, str]], keys: Sequence[tuple[str, str]], **kwargs: Any
    ) -> None:
        """Offer the meters, the currency and the keys of the organisation."""
        super().__init__(*args, **kwargs)
        self.fields["measure"].choices = list(measures)  # type: ignore[attr-defined] # a choice field
        self.fields["api_key"].choices = [("", "Choose a key"), *keys]  # type: ignore[attr-defined] # a choice field
        self.fields[
            "does_stop"
        ].help_text = "In units exactly, in money within a minute. Usage that is reported afterwards still counts."
