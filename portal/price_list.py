"""Plans as a price list: the fee in advance, the price of usage, and the limits, in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from accounts.domain.numbers import counted, number_text, unit_name
from billing.domain.money import price_tag_text, rate_text
from billing.domain.plan_terms import SoldPrice, SoldVersion, feature_lines, fee_amount
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume, with_starts
from billing.selectors.catalog.price_list import ListedPlan, listed_plans
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.models import UsagePlan, UsagePlanQuota

# A rate that is too small to read is shown for this many units.
_READABLE_FROM: Final = Decimal("0.01")
_LOTS: Final = (1, 1_000, 1_000_000, 1_000_000_000)
EACH_ITS_STEP: Final = "Each unit is charged at the price of its own tier."
ALL_AT_REACHED_STEP: Final = "All units are charged at the price of the tier reached."


@dataclass(frozen=True, slots=True)
class PriceStep:
    """One row of a price with tiers: its quantities and its price."""

    reach: str
    price: str


@dataclass(frozen=True, slots=True)
class MeterPrice:
    """The price of a meter's usage: one line, or steps with a sentence that explains them."""

    name: str
    line: str = ""
    note: str = ""
    steps: tuple[PriceStep, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanOffer:
    """A plan in one currency."""

    version: SoldVersion
    description: str
    currency: str
    fee: str
    costs_nothing: bool
    meters: tuple[MeterPrice, ...]
    limits: tuple[str, ...]
    usage_plan: UsagePlan
    mark: str = ""
    features: tuple[str, ...] = ()


def offers_of(versions: Sequence[SoldVersion], currency: str) -> list[PlanOffer]:
    """Return the versions that are sold in the currency, in their order."""
    return [_offer(listed, currency) for listed in listed_plans(versions, currency)]


def currencies_of(versions: Iterable[SoldVersion]) -> list[str]:
    """Return the currencies in which any version is sold."""
    return sorted({currency for version in versions for currency in version.currencies})


def costs_nothing(version: SoldVersion, currency: str) -> bool:
    """Return whether the version can never cost anything, so that it needs no card."""
    fee = version.fee(currency)
    prices = version.usage_prices(currency)
    return fee is not None and not fee_amount(fee) and not any(_can_cost(price.terms) for price in prices)


def price_of(price: SoldPrice, currency: str) -> MeterPrice:
    """Return a usage price in words."""
    name, unit = price.meter_name, price.unit
    match price.terms:
        case Flat(amount):
            return MeterPrice(name, f"{rate_text(amount, currency)} in a period with usage")
        case PerUnit(unit_amount):
            return MeterPrice(name, _each(unit_amount, currency, unit))
        case Package(size, amount):
            begun = "" if size == 1 else ", begun or full"
            return MeterPrice(name, f"{rate_text(amount, currency)} per {_lot(size, unit)}{begun}")
        case Graduated(tiers):
            note = f"{EACH_ITS_STEP}{_at_zero(price.terms, currency)}"
            return MeterPrice(name, note=note, steps=_steps(tiers, currency, unit))
        case Volume(tiers):
            note = f"{ALL_AT_REACHED_STEP}{_at_zero(price.terms, currency)}"
            return MeterPrice(name, note=note, steps=_steps(tiers, currency, unit))


def _offer(listed: ListedPlan, currency: str) -> PlanOffer:
    version = listed.version
    fee = version.fee(currency)
    assert fee is not None, "it is sold in the currency"
    return PlanOffer(
        version=version,
        description=listed.plan.description,
        mark=listed.plan.mark,
        features=feature_lines(listed.plan.features),
        currency=currency,
        fee=price_tag_text(fee_amount(fee), currency),
        costs_nothing=costs_nothing(version, currency),
        meters=tuple(price_of(price, currency) for price in version.usage_prices(currency)),
        limits=tuple(_limits(listed.usage_plan)),
        usage_plan=listed.usage_plan,
    )


def _limits(usage_plan: UsagePlan) -> list[str]:
    return [*(quota_text(quota) for quota in usage_plan.quotas.all()), *throttle_texts(usage_plan)]


def throttle_texts(usage_plan: UsagePlan) -> list[str]:
    """Return how many requests a second the usage plan allows, in words; empty if it does not limit them."""
    limits = []
    rate, burst = usage_plan.throttle_rate, usage_plan.throttle_burst
    if rate is not None and burst is not None:
        limits.append(f"{counted(rate, 'requests')} a second, {number_text(burst)} at once")
    limits += [
        f"{counted(row.rate, 'requests')} a second, {number_text(row.burst)} at once, {row.terms_in_words}"
        for row in usage_plan.throttles.all()
    ]
    return limits


def quota_text(quota: UsagePlanQuota) -> str:
    """Return a quota in words."""
    of_subject = " for each subject" if quota.scope == LimitScope.SUBJECT else ""
    what = f"{counted(quota.limit, quota.meter.unit)} a {Period(quota.period).words}{of_subject}"
    return f"{what} at most" if quota.is_hard else f"{what}; more is allowed"


def _can_cost(terms: PriceTerms) -> bool:
    match terms:
        case Flat(amount) | PerUnit(amount) | Package(_, amount):
            return bool(amount)
        case Graduated(tiers) | Volume(tiers):
            return any(tier.unit_amount or tier.flat_amount for tier in tiers)


def _steps(tiers: Sequence[Tier], currency: str, unit: str) -> tuple[PriceStep, ...]:
    return tuple(
        PriceStep(_reach(start, tier.up_to, unit), _tier_price(tier, currency, unit))
        for start, tier in with_starts(tiers)
    )


def _at_zero(terms: Graduated | Volume, currency: str) -> str:
    once = terms.tiers[0].flat_amount
    if not terms.charges_flat_at_zero or not once:
        return ""
    return f" {rate_text(once, currency)} is charged in a period without usage, too."


def _reach(start: Decimal, end: Decimal | None, unit: str) -> str:
    if end is None:
        return f"Above {number_text(start)}" if start else f"All {unit}"
    return f"{number_text(start)} to {number_text(end)}" if start else f"Up to {number_text(end)}"


def _tier_price(tier: Tier, currency: str, unit: str) -> str:
    if not tier.unit_amount:
        return rate_text(tier.flat_amount, currency) if tier.flat_amount else "Included"
    each = _each(tier.unit_amount, currency, unit)
    return f"{rate_text(tier.flat_amount, currency)} + {each}" if tier.flat_amount else each


def _each(unit_amount: Decimal, currency: str, unit: str) -> str:
    """Return a rate for as many units as make it readable: the same price, to the last digit."""
    if not unit_amount:
        return "Included"
    lot = next((lot for lot in _LOTS if unit_amount * lot >= _READABLE_FROM), _LOTS[-1])
    return f"{rate_text(unit_amount * lot, currency)} per {_lot(Decimal(lot), unit)}"


def _lot(size: Decimal, unit: str) -> str:
    """Return what a rate is for: `request`, or `1,000 requests`."""
    return unit_name(unit, size) if size == 1 else counted(size, unit)
