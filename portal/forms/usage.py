"""The filter of usage. Every field has a default, so an address without parameters is valid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django import forms

from metering.domain.contribution import MeterRule
from metering.domain.http_requests import API_REQUESTS, HTTP_METHOD, RESOURCE_PATH
from metering.domain.ledger import Ledger
from metering.domain.periods import Span, YearMonth, is_in_reach, local_day, month_span, start_of_day
from metering.domain.windows import Window, windows_at_most
from metering.selectors.usage_query import SUBJECT, names_kept_apart

WINDOWS_MAX: Final = 800
LEDGERS: Final = (("live", "Live"), ("test", "Test"))
_CUSTOM: Final = "custom"
_DAY: Final = timedelta(days=1)
_PERIODS: Final = (
    ("this_month", "This month"),
    ("last_month", "Last month"),
    ("7", "Last 7 days"),
    ("30", "Last 30 days"),
    ("90", "Last 90 days"),
    ("year", "Last 12 months"),
    (_CUSTOM, "From … to"),
)
CHOICE_ERRORS: Final = {"invalid_choice": "Choose one of the list."}
_GROUP_NAMES: Final = {"api_key": "API key", "subject": "Subject", RESOURCE_PATH: "Endpoint", HTTP_METHOD: "Method"}


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """A valid choice: the meter, the span, its windows and groups."""

    meter: MeterRule
    span: Span
    window: Window
    group_by: str
    is_live: bool


class UsageForm(forms.Form):
    """The filter by meter, period, window, group and ledger, from the address."""

    meter = forms.ChoiceField(error_messages=CHOICE_ERRORS)
    period = forms.ChoiceField(choices=_PERIODS, error_messages=CHOICE_ERRORS)
    start = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    end = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))
    window = forms.ChoiceField(
        label="By",
        choices=[(window.value, window.value.capitalize()) for window in Window],
        error_messages=CHOICE_ERRORS,
    )
    group_by = forms.ChoiceField(required=False, label="Group by", error_messages=CHOICE_ERRORS)
    ledger = forms.ChoiceField(choices=LEDGERS, error_messages=CHOICE_ERRORS)

    defaults: Final = {
        "meter": API_REQUESTS,
        "period": "this_month",
        "window": Window.DAY.value,
        "group_by": "",
        "ledger": "live",
    }

    def __init__(
        self,
        given: Mapping[str, Any],
        *,
        ledger: Ledger,
        rules: tuple[MeterRule, ...],
        names: Mapping[str, str],
        as_of: datetime,
    ) -> None:
        """Read `given` over the defaults; `names` maps meters to their names."""
        chosen = {name: given.get(name) or self.defaults.get(name, "") for name in self.base_fields}
        super().__init__(chosen)
        self.zone = ledger.time_zone
        self.as_of = as_of
        self.rules = {rule.code: rule for rule in rules}
        rule = self.rules.get(chosen["meter"])
        groups = names_kept_apart(rule) if rule else ()
        self._choices("meter").choices = [(code, names.get(code, code)) for code in self.rules]
        self._choices("group_by").choices = [
            ("", "Nothing"),
            *((name, _GROUP_NAMES.get(name, name)) for name in groups),
        ]

    def _choices(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField), "the form's own field"
        return field

    def clean(self) -> dict[str, Any]:
        """Refuse a span that is empty, out of range, or has more windows than fit on a page."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        span = self._span(cleaned)
        if span is None:
            return cleaned
        if windows_at_most(Window(cleaned["window"]), span) > WINDOWS_MAX:
            self.add_error(
                "window", f"That is more than {WINDOWS_MAX} rows. Choose longer windows or a shorter period."
            )
        if cleaned["group_by"] == SUBJECT and span.end - span.start > timedelta(days=92):
            self.add_error("group_by", "Usage by subject is limited to 92 days. Choose a shorter period.")
        return cleaned | {"span": span}

    def usage_request(self) -> UsageRequest:
        """Return the choice of a valid form."""
        cleaned = self.cleaned_data
        return UsageRequest(
            meter=self.rules[cleaned["meter"]],
            span=cleaned["span"],
            window=Window(cleaned["window"]),
            group_by=cleaned["group_by"],
            is_live=cleaned["ledger"] == "live",
        )

    def _span(self, cleaned: Mapping[str, Any]) -> Span | None:
        today = local_day(self.as_of, self.zone)
        period = cleaned["period"]
        if period == _CUSTOM:
            return self._custom_span(cleaned.get("start"), cleaned.get("end"))
        month = YearMonth.of(today)
        if period == "this_month":
            return month_span(month, self.zone)
        if period == "last_month":
            return month_span(month.plus(-1), self.zone)
        first = month.plus(-11).first_day() if period == "year" else today - int(period) * _DAY + _DAY
        return Span(start_of_day(first, self.zone), start_of_day(today + _DAY, self.zone))

    def _custom_span(self, start: date | None, end: date | None) -> Span | None:
        if start is None or end is None:
            self.add_error("start", "Choose the first and the last day.")
        elif not (is_in_reach(start) and is_in_reach(end)):
            self.add_error("start", "Choose another year.")
        elif end < start:
            self.add_error("end", "The last day is before the first.")
        else:
            return Span(start_of_day(start, self.zone), start_of_day(end + _DAY, self.zone))
        return None
