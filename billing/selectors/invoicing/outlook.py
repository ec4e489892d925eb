"""An invoice before its period is over: with usage as it is now, and as it is expected at the period's end.

Usage is expected by the rules of `docs/algorithms/forecast.md`. The invoices at both ends of the interval suppose that
every meter comes to its own end, so fewer than 20 of 100 periods are outside.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import Used
from billing.domain.invoicing.state import BillingState
from billing.errors import UnbillableError
from billing.selectors.invoicing.computation import Computation, Given, given_for
from metering.domain.forecasting import Forecast, PastDays, counted, forecast_usage
from metering.domain.ledger import Ledger
from metering.domain.periods import Span, days_between
from metering.selectors.catalog import meter_rules
from metering.selectors.past_days import past_days
from metering.selectors.span_usage import UsageSpan, usage_of_spans


@dataclass(frozen=True, slots=True)
class Outlook:
    """The next invoice with usage as it is now, as it is expected, and at both ends of the interval, if it is known.

    `usage` is the forecast of each line of usage, in the order of the lines.
    """

    now: ComputedInvoice
    expected: ComputedInvoice
    low: ComputedInvoice | None
    high: ComputedInvoice | None
    usage: tuple[Forecast, ...]


def outlook_of(state: BillingState, *, ledger: Ledger, as_of: datetime) -> Outlook:
    """Compute the outlook of a state's invoice. Raises `UnbillableError`."""
    given = given_for(state)
    forecasts = _forecasts(given, ledger, as_of)
    low, high = ([_end(forecast, name) for forecast in forecasts] for name in ("low", "high"))
    return Outlook(
        now=_computed(given.compute()),
        expected=_with_usage(given, [forecast.quantity for forecast in forecasts]),
        low=None if None in low else _with_usage(given, [one for one in low if one is not None]),
        high=None if None in high else _with_usage(given, [one for one in high if one is not None]),
        usage=tuple(forecasts),
    )


def _forecasts(given: Given, ledger: Ledger, as_of: datetime) -> list[Forecast]:
    """Return the forecast of each line of usage to come; one that is over, or does not add up, is what is counted."""
    rules = {rule.id: rule for rule in meter_rules()}
    running = [span for span in given.spans if span.start < as_of < span.end]
    divisible = {span.meter_id for span in running if rules[span.meter_id].aggregation.is_divisible}
    in_rollups = [meter_id for meter_id in divisible if rules[meter_id].is_in_rollups]
    past = past_days(ledger=ledger, meter_ids=in_rollups, as_of=as_of) if in_rollups else {}
    levels = [span for span in running if rules[span.meter_id].aggregation.lasts]
    until_now = usage_of_spans([replace(span, until=as_of) for span in levels]) if levels else []
    used_until_now = {span: found.quantity for span, found in zip(levels, until_now, strict=True)}
    return [
        _forecast(span, used_until_now.get(span, used.quantity), past.get(span.meter_id, PastDays()), ledger, as_of)
        if span.meter_id in divisible
        else counted(used.quantity)
        for span, used in zip(given.spans, given.usage, strict=True)
    ]


def _forecast(span: UsageSpan, quantity: Decimal, past: PastDays, ledger: Ledger, as_of: datetime) -> Forecast:
    weekdays = [day.weekday() for day in days_between(as_of, span.end, ledger.time_zone)]
    return forecast_usage(quantity, span=Span(span.start, span.end), as_of=as_of, past=past, weekdays_ahead=weekdays)


def _end(forecast: Forecast, name: str) -> Decimal | None:
    return forecast.low if name == "low" else forecast.high


def _with_usage(given: Given, quantities: list[Decimal]) -> ComputedInvoice:
    usage = tuple(Used.of(quantity, used.events) for quantity, used in zip(quantities, given.usage, strict=True))
    return _computed(replace(given, usage=usage).compute())


def _computed(found: Computation) -> ComputedInvoice:
    if isinstance(found, ComputedInvoice):
        return found
    raise UnbillableError(found.code, found.detail)
