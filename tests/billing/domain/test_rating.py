"""Rating: the worked examples of docs/algorithms/rating.md, and what holds for every price, quantity and currency."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.plain import plain_decimal
from billing.domain.money import currency_digits, round_to_minor
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume
from billing.domain.rating import Charge, rate
from tests.algorithm_pages import json_below, rows_below
from tests.billing.domain.amounts import CURRENCIES, GRADUATED, PACKAGES, PER_UNIT, QUANTITIES, RATES, TERMS, VOLUME


def exactly(charge: Charge) -> Fraction:
    return Fraction(charge.exact)


def documented_tiers() -> tuple[Tier, ...]:
    rows = rows_below("rating", "up to", "each", "flat")
    return tuple(
        Tier(None if up_to == "∞" else Decimal(up_to), Decimal(each), Decimal(flat)) for up_to, each, flat in rows
    )


def steps_of(charge: Charge) -> str:
    written = [
        f"{plain_decimal(step.quantity)} \N{MULTIPLICATION SIGN} {plain_decimal(step.unit_amount)} + "
        f"{plain_decimal(step.flat_amount)}"
        for step in charge.steps
    ]
    return ", ".join(written) or "none"


def test_a_flat_price_is_as_documented() -> None:
    columns = ("flat amount", "used", "currency", "exact", "minor units")
    for amount, used, currency, exact, minor in rows_below("rating", *columns):
        charge = rate(Flat(Decimal(amount)), Decimal(used), currency)
        assert (charge.exact, charge.amount_minor) == (Decimal(exact), int(minor))


def test_a_price_per_unit_is_as_documented() -> None:
    columns = ("unit amount", "units", "currency", "exact", "minor units")
    for unit_amount, units, currency, exact, minor in rows_below("rating", *columns):
        charge = rate(PerUnit(Decimal(unit_amount)), Decimal(units), currency)
        assert (charge.exact, charge.amount_minor) == (Decimal(exact), int(minor))


def test_graduated_and_volume_prices_are_as_documented() -> None:
    tiers = documented_tiers()
    columns = ("quantity", "graduated steps", "graduated", "cents", "volume step", "volume", "volume cents")
    for quantity, steps, exact, cents, volume_step, volume_exact, volume_cents in rows_below("rating", *columns):
        graduated = rate(Graduated(tiers), Decimal(quantity), "EUR")
        assert (steps_of(graduated), graduated.exact, graduated.amount_minor) == (steps, Decimal(exact), int(cents))
        volume = rate(Volume(tiers), Decimal(quantity), "EUR")
        assert (steps_of(volume), volume.exact, volume.amount_minor) == (
            volume_step,
            Decimal(volume_exact),
            int(volume_cents),
        )


def test_a_price_per_package_is_as_documented() -> None:
    columns = ("package size", "package amount", "wanted", "packages", "currency", "exact", "minor units")
    for size, amount, wanted, packages, currency, exact, minor in rows_below("rating", *columns):
        charge = rate(Package(Decimal(size), Decimal(amount)), Decimal(wanted), currency)
        assert (charge.exact, charge.amount_minor) == (Decimal(exact), int(minor))
        assert sum(step.quantity for step in charge.steps) == Decimal(packages)


def test_the_explanation_is_as_documented() -> None:
    documented = json_below("rating", "## E: the explanation")
    assert rate(Graduated(documented_tiers()), Decimal(10001), "EUR").explanation() == documented


@given(TERMS, QUANTITIES, CURRENCIES)
def test_the_steps_sum_to_the_whole_which_is_rounded_once(terms: PriceTerms, quantity: Decimal, currency: str) -> None:
    charge = rate(terms, quantity, currency)
    assert sum((Fraction(step.amount) for step in charge.steps), Fraction(0)) == exactly(charge)
    assert charge.amount_minor == round_to_minor(charge.exact, currency)
    assert charge.amount_minor >= 0


@given(TERMS, QUANTITIES, CURRENCIES)
def test_the_explanation_alone_gives_the_amount(terms: PriceTerms, quantity: Decimal, currency: str) -> None:
    explained = rate(terms, quantity, currency).explanation()
    steps = explained["steps"]
    assert isinstance(steps, list)
    total = sum(
        (Fraction(step["quantity"]) * Fraction(step["unit_amount"]) + Fraction(step["flat_amount"]) for step in steps),
        Fraction(0),
    )
    assert total == Fraction(str(explained["exact_amount"]))
    assert explained["rounding"] == {"mode": "half_up", "digits": currency_digits(currency)}


@given(TERMS, CURRENCIES)
def test_no_usage_costs_nothing(terms: PriceTerms, currency: str) -> None:
    charge = rate(terms, Decimal(0), currency)
    assert (charge.exact, charge.amount_minor, charge.steps) == (0, 0, ())


@given(GRADUATED, QUANTITIES)
def test_the_tiers_of_a_graduated_price_hold_each_unit_once(terms: Graduated, quantity: Decimal) -> None:
    steps = rate(terms, quantity, "EUR").steps
    assert sum((step.quantity for step in steps), Decimal(0)) == quantity
    assert all(step.quantity > 0 for step in steps)
    for step, tier in zip(steps, terms.tiers, strict=False):
        assert (step.unit_amount, step.flat_amount, step.tier_end) == (tier.unit_amount, tier.flat_amount, tier.up_to)


@given(st.one_of(GRADUATED, PER_UNIT, PACKAGES, RATES.map(Flat)), QUANTITIES, QUANTITIES)
def test_more_usage_costs_no_less_except_by_volume(terms: PriceTerms, one: Decimal, other: Decimal) -> None:
    less, more = sorted((one, other))
    assert rate(terms, less, "EUR").amount_minor <= rate(terms, more, "EUR").amount_minor


@given(VOLUME, QUANTITIES)
def test_a_volume_price_is_per_unit_of_the_tier_that_is_reached(terms: Volume, quantity: Decimal) -> None:
    charge = rate(terms, quantity, "EUR")
    reached = next(tier for tier in terms.tiers if tier.up_to is None or quantity <= tier.up_to)
    flat = reached.flat_amount if quantity else Decimal(0)
    assert exactly(charge) == Fraction(reached.unit_amount) * Fraction(quantity) + Fraction(flat)


@given(PACKAGES, QUANTITIES)
def test_a_package_that_is_begun_is_whole(terms: Package, quantity: Decimal) -> None:
    packages = ceil(Fraction(quantity) / Fraction(terms.package_size))
    assert exactly(rate(terms, quantity, "EUR")) == packages * Fraction(terms.package_amount)


@given(PER_UNIT, st.lists(QUANTITIES, min_size=1, max_size=8))
def test_splitting_a_period_changes_no_linear_price(terms: PerUnit, parts: list[Decimal]) -> None:
    whole = rate(terms, sum(parts, Decimal(0)), "EUR")
    assert exactly(whole) == sum((exactly(rate(terms, part, "EUR")) for part in parts), Fraction(0))


@given(RATES, QUANTITIES, CURRENCIES)
def test_one_tier_without_end_is_a_price_per_unit(unit_amount: Decimal, quantity: Decimal, currency: str) -> None:
    amounts = {
        rate(terms, quantity, currency).amount_minor
        for terms in (PerUnit(unit_amount), Graduated((Tier(None, unit_amount),)), Volume((Tier(None, unit_amount),)))
    }
    assert len(amounts) == 1


def test_a_quantity_of_29_digits_at_a_rate_of_24_is_exact() -> None:
    quantity, unit_amount = Decimal("9" * 20 + "." + "9" * 9), Decimal("9" * 12 + "." + "9" * 12)
    assert exactly(rate(PerUnit(unit_amount), quantity, "EUR")) == Fraction(quantity) * Fraction(unit_amount)


def test_usage_below_zero_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        rate(PerUnit(Decimal(1)), Decimal(-1), "EUR")
