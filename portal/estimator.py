"""The estimator of the pricing page: a month of so much usage on each plan, rated as the invoice rates it.

A customer begins with the usage of their last billing period, a visitor with a made-up one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from uuid import UUID

from django.forms import BoundField
from django.http import QueryDict

from accounts.domain.numbers import counted, number_text, short_bytes_text
from billing.domain.estimating import Estimate, estimate_month
from billing.domain.money import money_text
from billing.domain.prices import Graduated, Package, Volume
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period, Span
from metering.selectors.span_usage import UsageSpan, usage_of_spans
from portal.forms.estimate import EstimateForm, field_of
from portal.price_list import PlanOffer

# Quantities that a slider stops at, in each power of ten.
_SERIES: Final = (Decimal(1), Decimal(2), Decimal(5))
_START: Final = Decimal(1_000)
_SLIDER_TOP: Final = 20  # times the highest border of a tier, or the quantity to begin with
_NOTHING: Final = Decimal(0)
_NO_USAGE: Final[Mapping[str, Decimal]] = MappingProxyType({})
# A month has at most so many of each period, so a quota of a shorter one allows at most so many times its limit.
_IN_A_MONTH: Final = {Period.DAY: 31, Period.WEEK: 6, Period.MONTH: 1, Period.BILLING: 1}


@dataclass(frozen=True, slots=True)
class EstimatedMeter:
    """A meter whose monthly quantity is asked for."""

    id: int
    code: str
    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class PlanEstimate:
    """What a month costs on a plan. `refused` says why the usage does not fit in, and then no amount is shown."""

    offer: PlanOffer
    estimate: Estimate
    refused: str
    is_lowest: bool = False

    @property
    def total(self) -> str:
        """Return the amount before tax."""
        return money_text(self.estimate.total_minor, self.estimate.currency)

    @property
    def fee(self) -> str:
        """Return the fee of a month."""
        return money_text(self.estimate.fee_minor, self.estimate.currency)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Return each meter with a price, and what its usage costs."""
        currency = self.estimate.currency
        return [(price.meter_name, money_text(charge.amount_minor, currency)) for price, charge in self.estimate.usage]


@dataclass(frozen=True, slots=True)
class Slider:
    """A field for a quantity: its stops for a slider, and how the quantity reads."""

    meter: EstimatedMeter
    stops: str
    last_stop: int
    at: int
    own: str


@dataclass(frozen=True, slots=True)
class Estimator:
    """The form with its sliders, and the estimate of each plan in their order. `own_span` is the customer's period."""

    form: EstimateForm
    sliders: tuple[Slider, ...]
    plans: tuple[PlanEstimate, ...]
    own_span: Span | None

    @property
    def rows(self) -> list[tuple[Slider, BoundField]]:
        """Return each slider with the field that it moves."""
        return list(zip(self.sliders, self.form, strict=True))


def meters_of(offers: Sequence[PlanOffer]) -> list[EstimatedMeter]:
    """Return the meters that any of the plans charges for or limits for good, by their codes."""
    found: dict[str, EstimatedMeter] = {}
    for offer in offers:
        for price in offer.version.usage_prices(offer.currency):
            assert price.meter_id is not None, "usage has a meter"
            found[price.meter_code] = EstimatedMeter(price.meter_id, price.meter_code, price.meter_name, price.unit)
        for quota in offer.usage_plan.quotas.all():
            meter = quota.meter
            if quota.is_hard and quota.scope == LimitScope.TENANT:
                found.setdefault(meter.code, EstimatedMeter(meter.pk, meter.code, meter.name, meter.unit))
    return [found[code] for code in sorted(found)]


def usage_of_period(tenant_id: UUID, meters: Sequence[EstimatedMeter], span: Span) -> dict[str, Decimal]:
    """Return what a tenant used of each meter in a span, as an invoice counts it, by code."""
    if not meters:
        return {}
    found = usage_of_spans([UsageSpan(tenant_id, meter.id, *span) for meter in meters])
    return {meter.code: used.quantity for meter, used in zip(meters, found, strict=True)}


def estimator_of(
    offers: Sequence[PlanOffer],
    meters: Sequence[EstimatedMeter],
    *,
    asked: QueryDict,
    own: Mapping[str, Decimal] = _NO_USAGE,
    own_span: Span | None = None,
) -> Estimator:
    """Return the estimator for the asked quantities; one that was not asked or is wrong begins at its start.

    It starts from `own`, the customer's usage in `own_span`, if there is any.
    """
    own_span = own_span if any(own.values()) else None
    starts = {meter.code: own.get(meter.code) or _NOTHING if own_span else _start(meter, offers) for meter in meters}
    data = asked if any(field_of(meter.code) in asked for meter in meters) else None
    form = EstimateForm(data, meters=meters, starts=starts)
    quantities = starts | (form.quantities() if data is not None else {})
    return Estimator(
        form=form,
        sliders=tuple(_slider(meter, offers, quantities, starts, is_own=own_span is not None) for meter in meters),
        plans=tuple(_estimated(offers, quantities)),
        own_span=own_span,
    )


def _estimated(offers: Sequence[PlanOffer], quantities: Mapping[str, Decimal]) -> Iterator[PlanEstimate]:
    rated = [
        (offer, estimate_month(offer.version, offer.currency, quantities), _refusal(offer, quantities))
        for offer in offers
    ]
    fitting = [estimate.total_minor for _, estimate, refused in rated if not refused]
    lowest = min(fitting, default=None)
    for offer, estimate, refused in rated:
        yield PlanEstimate(offer, estimate, refused, not refused and estimate.total_minor == lowest)


def _refusal(offer: PlanOffer, quantities: Mapping[str, Decimal]) -> str:
    """Return why a plan would refuse some of the usage; empty if it may take all of it."""
    for quota in offer.usage_plan.quotas.all():
        if not quota.is_hard or quota.scope != LimitScope.TENANT:
            continue
        most = quota.limit * _IN_A_MONTH[Period(quota.period)]
        if quantities.get(quota.meter.code, _NOTHING) > most:
            return f"Takes {counted(quota.limit, quota.meter.unit)} a {Period(quota.period).words} at most."
    return ""


def _start(meter: EstimatedMeter, offers: Sequence[PlanOffer]) -> Decimal:
    """Return what a visitor begins with: twice the lowest border of a price, so that something is charged."""
    return min(_borders(meter, offers), default=_START) * 2


def _borders(meter: EstimatedMeter, offers: Sequence[PlanOffer]) -> list[Decimal]:
    """Return the quantities at which a price of the meter changes: ends of tiers, and sizes of packages."""
    borders = []
    for offer in offers:
        for price in offer.version.usage_prices(offer.currency):
            if price.meter_code != meter.code:
                continue
            if isinstance(price.terms, Graduated | Volume):
                borders += [tier.up_to for tier in price.terms.tiers if tier.up_to]
            elif isinstance(price.terms, Package):
                borders.append(price.terms.package_size)
    return borders


def _slider(
    meter: EstimatedMeter,
    offers: Sequence[PlanOffer],
    quantities: Mapping[str, Decimal],
    starts: Mapping[str, Decimal],
    *,
    is_own: bool,
) -> Slider:
    start = starts[meter.code]
    top = max([*_borders(meter, offers), start, _START]) * _SLIDER_TOP
    stops = sorted({*_stops(top), start})
    at = min(range(len(stops)), key=lambda position: abs(stops[position] - quantities[meter.code]))
    own = _amount(start, meter.unit) if is_own else ""
    return Slider(meter, " ".join(f"{stop.normalize():f}" for stop in stops), len(stops) - 1, at, own)


def _stops(top: Decimal) -> list[Decimal]:
    stops = [_NOTHING]
    for power in range(2, top.adjusted() + 1):
        stops += [step.scaleb(power) for step in _SERIES if step.scaleb(power) <= top]
    return stops


def _amount(quantity: Decimal, unit: str) -> str:
    short = short_bytes_text(quantity) if unit == "bytes" else ""
    return short or f"{number_text(quantity)} {unit}"
