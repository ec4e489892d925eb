"""The filter of usage. Every field has a default, so an address without parameters is valid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from django import forms

from metering.domain.http_requests import API_REQUESTS, HTTP_METHOD, RESOURCE_PATH
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span
from metering.domain.windows import Window, windows_at_most
from metering.selectors.usage_query import SUBJECT, names_kept_apart
from portal.forms.period import CHOICE_ERRORS, PeriodForm
from portal.periods import BILLING, OF_LINE, Calendar

WINDOWS_MAX: Final = 800
LEDGERS: Final = (("live", "Live"), ("test", "Test"))
_GROUP_NAMES: Final = {"api_key": "API key", "subject": "Subject", RESOURCE_PATH: "Endpoint", HTTP_METHOD: "Method"}


class Show(StrEnum):
    """What the page shows of usage: quantities, their sum so far, or what they cost."""

    UNITS = "units"
    RUNNING = "running"
    COST = "cost"


_SHOWN: Final[tuple[tuple[str, str], ...]] = (
    (Show.UNITS.value, "Units"),
    (Show.RUNNING.value, "Running total"),
    (Show.COST.value, "Cost"),
)


@dataclass(frozen=True, slots=True)
class WantedLine:
    """A line of usage of an invoice: what it counted, and when the invoice was computed."""

    number: str
    position: int
    meter_id: int
    span: Span
    quantity: Decimal
    events: int
    amount_minor: int
    currency: str
    computed_at: datetime


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """A valid choice: the meter, the span, its windows and groups, and the span that it is compared with."""

    meter: MeterRule
    period: str
    span: Span
    window: Window
    group_by: tuple[str, ...]
    is_live: bool
    show: Show = Show.UNITS
    before: Span | None = None
    line: WantedLine | None = None


class UsageForm(PeriodForm):
    """The filter by meter, period, window, groups and ledger, from the address."""

    meter = forms.ChoiceField(error_messages=CHOICE_ERRORS)
    window = forms.ChoiceField(
        label="By",
        choices=[(window.value, window.value.capitalize()) for window in Window],
        error_messages=CHOICE_ERRORS,
    )
    group_by = forms.ChoiceField(required=False, label="Group by", error_messages=CHOICE_ERRORS)
    then_by = forms.ChoiceField(required=False, label="Then by", error_messages=CHOICE_ERRORS)
    show = forms.ChoiceField(choices=_SHOWN, error_messages=CHOICE_ERRORS, widget=forms.HiddenInput)
    ledger = forms.ChoiceField(choices=LEDGERS, error_messages=CHOICE_ERRORS)
    invoice = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)
    line = forms.IntegerField(required=False, widget=forms.HiddenInput)

    defaults: Mapping[str, str] = {
        "meter": API_REQUESTS,
        "period": BILLING,
        "window": Window.DAY.value,
        "group_by": "",
        "then_by": "",
        "show": Show.UNITS.value,
        "ledger": "live",
    }

    def __init__(
        self,
        given: Mapping[str, Any],
        *,
        calendar: Calendar,
        rules: tuple[MeterRule, ...],
        names: Mapping[str, str],
        line: WantedLine | None = None,
        may_see_cost: bool = True,
    ) -> None:
        """Read `given` over the defaults; `names` maps meters to their names.

        With `line`, its period is a choice as well, and its meter is the chosen one.
        """
        super().__init__(given, calendar=calendar)
        chosen = self.chosen
        self.rules = {rule.code: rule for rule in rules}
        self.wanted_line = line
        if line is not None:
            chosen["meter"] = next((rule.code for rule in rules if rule.id == line.meter_id), chosen["meter"])
            field = self._choices("period")
            field.choices = [(OF_LINE, f"As invoiced on {line.number}"), *PeriodForm.base_fields["period"].choices]  # type: ignore[attr-defined]
        rule = self.rules.get(chosen["meter"])
        groups = names_kept_apart(rule) if rule else ()
        for name in ("group_by", "then_by"):
            if chosen[name] not in groups and any(chosen[name] in names_kept_apart(one) for one in rules):
                chosen[name] = ""  # chosen for another meter
        if not chosen["group_by"] or chosen["then_by"] == chosen["group_by"]:
            chosen["then_by"] = ""
        if not may_see_cost:
            self._choices("show").choices = [pair for pair in _SHOWN if pair[0] != Show.COST.value]
            chosen["show"] = Show.UNITS.value if chosen["show"] == Show.COST else chosen["show"]
        self._choices("meter").choices = [(code, names.get(code, code)) for code in self.rules]
        offered = [("", "Nothing"), *((name, _GROUP_NAMES.get(name, name)) for name in groups)]
        self._choices("group_by").choices = offered
        self._choices("then_by").choices = offered

    def clean(self) -> dict[str, Any]:
        """Refuse a span that has more windows than fit on a page, or too many subjects."""
        cleaned = super().clean()
        span = cleaned.get("span")
        if self.errors or span is None:
            return cleaned
        if windows_at_most(Window(cleaned["window"]), span) > WINDOWS_MAX:
            self.add_error(
                "window", f"That is more than {WINDOWS_MAX} rows. Choose longer windows or a shorter period."
            )
        if SUBJECT in {cleaned["group_by"], cleaned["then_by"]} and span.end - span.start > timedelta(days=92):
            self.add_error("group_by", "Usage by subject is limited to 92 days. Choose a shorter period.")
        return cleaned

    def usage_request(self) -> UsageRequest:
        """Return the choice of a valid form."""
        cleaned = self.cleaned_data
        is_of_line = cleaned["period"] == OF_LINE
        return UsageRequest(
            meter=self.rules[cleaned["meter"]],
            period=cleaned["period"],
            span=cleaned["span"],
            window=Window(cleaned["window"]),
            group_by=tuple(name for name in (cleaned["group_by"], cleaned["then_by"]) if name),
            is_live=cleaned["ledger"] == "live" or is_of_line,
            show=Show(cleaned["show"]),
            before=None if is_of_line else self.before,
            line=self.wanted_line if is_of_line else None,
        )

    def _span(self, cleaned: Mapping[str, Any]) -> Span | None:
        if cleaned["period"] == OF_LINE and self.wanted_line is not None:
            return self.wanted_line.span
        return super()._span(cleaned)
