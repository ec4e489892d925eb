"""Verification computes prices and fees as docs/algorithms/rating.md says, table by table."""

from datetime import date
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from billing.conservation.domain.costs import Tariff, cost_of_stretches, digits_of, fee_parts, is_readable, rounded
from billing.domain.money import currency_digits
from billing.domain.prices import MODEL_OF, PriceTerms, write_terms
from billing.domain.rating import rate
from tests.algorithm_pages import rows_below
from tests.billing.domain.amounts import CURRENCIES, QUANTITIES, TERMS


def cost(model: str, terms: dict[str, Any], quantity: str, currency: str) -> int:
    [amount] = cost_of_stretches([(Tariff(1, model, terms), Fraction(quantity))], currency_digits(currency))
    return amount


def tiers() -> dict[str, Any]:
    rows = rows_below("rating", "up to", "each", "flat")
    return {
        "tiers": [
            {"up_to": None if up_to == "∞" else up_to, "unit_amount": each, "flat_amount": flat}
            for up_to, each, flat in rows
        ]
    }


def test_amounts_are_rounded_as_documented() -> None:
    for amount, currency, minor in rows_below("rating", "exact amount", "currency", "minor units"):
        assert rounded(Fraction(amount), currency_digits(currency)) == int(minor)


def test_prices_cost_what_is_documented() -> None:
    for amount, used, currency, _, minor in rows_below(
        "rating", "flat amount", "used", "currency", "exact", "minor units"
    ):
        assert cost("flat", {"amount": amount}, used, currency) == int(minor)
    for amount, units, currency, _, minor in rows_below(
        "rating", "unit amount", "units", "currency", "exact", "minor units"
    ):
        assert cost("per_unit", {"unit_amount": amount}, units, currency) == int(minor)
    for size, amount, wanted, _, currency, _, minor in rows_below(
        "rating", "package size", "package amount", "wanted", "packages", "currency", "exact", "minor units"
    ):
        assert cost("package", {"package_size": size, "package_amount": amount}, wanted, currency) == int(minor)
    for quantity, _, _, graduated, _, _, volume in rows_below(
        "rating", "quantity", "graduated steps", "graduated", "cents", "volume step", "volume", "volume cents"
    ):
        assert cost("graduated", tiers(), quantity, "EUR") == int(graduated)
        assert cost("volume", tiers(), quantity, "EUR") == int(volume)


@given(TERMS, QUANTITIES, CURRENCIES)
def test_the_product_and_verification_rate_the_same(terms: PriceTerms, quantity: Any, currency: str) -> None:
    model, stored = MODEL_OF[type(terms)].value, write_terms(terms)
    assert cost(model, stored, str(quantity), currency) == rate(terms, quantity, currency).amount_minor


@given(TERMS, st.lists(QUANTITIES, min_size=1, max_size=4))
def test_stretches_at_one_price_cost_what_one_would(terms: PriceTerms, quantities: list[Any]) -> None:
    tariff = Tariff(1, MODEL_OF[type(terms)].value, write_terms(terms))
    whole = sum((Fraction(quantity) for quantity in quantities), Fraction())
    parts = cost_of_stretches([(tariff, Fraction(quantity)) for quantity in quantities], 2)
    assert sum(parts) == sum(cost_of_stretches([(tariff, whole)], 2))


def tiers_of(text: str, *, at_zero: bool = False) -> dict[str, Any]:
    """Return `1000: 0.01 + 5; ∞: 0.005` as stored tiers."""
    tiers = []
    for part in text.split("; "):
        up_to, amounts = part.split(": ")
        each, _, once = amounts.partition(" + ")
        tiers.append({"up_to": None if up_to == "∞" else up_to, "unit_amount": each, "flat_amount": once or "0"})
    return {"tiers": tiers, "charge_flat_at_zero": at_zero}


def tariff_of(number: int, model: str, text: str) -> Tariff:
    match model:
        case "graduated" | "volume" | "graduated at zero" | "volume at zero":
            return Tariff(number, model.split(maxsplit=1)[0], tiers_of(text, at_zero=model.endswith("at zero")))
        case "package":
            size, _, amount = text.partition(" for ")
            return Tariff(number, model, {"package_size": size, "package_amount": amount})
        case "per unit":
            return Tariff(number, "per_unit", {"unit_amount": text})
    return Tariff(number, "flat", {"amount": text})


def test_stretches_cost_what_is_documented() -> None:
    tariffs = {
        name: tariff_of(number, model, text)
        for number, (name, model, text) in enumerate(rows_below("rating", "price", "model", "terms"))
    }
    for text, times, each, in_all in rows_below(
        "rating", "stretches in their order", "times", "minor units of each", "in all"
    ):
        named = [part.rsplit(" ", 1) for part in text.split(", ")] * int(times)
        amounts = cost_of_stretches([(tariffs[name], Fraction(quantity)) for name, quantity in named], 2)
        assert sum(amounts) == int(in_all), text
        assert not each or amounts == [int(amount) for amount in each.split(", ")], text


def test_a_first_tier_charges_at_zero_if_the_price_says_so() -> None:
    for text, at_zero, quantity, minor in rows_below("rating", "tiers", "charge at zero", "quantity", "minor units"):
        terms = tiers_of(text, at_zero=at_zero == "yes")
        assert cost("graduated", terms, quantity, "EUR") == cost("volume", terms, quantity, "EUR") == int(minor)


NOVEMBER = date(2026, 11, 1)


def test_fees_go_by_the_day_as_documented() -> None:
    for policy, plans, ended_on, _, total in rows_below("rating", "policy", "plans", "ended on", "lines", "sum"):
        first, *changes = (part.split(" on ") for part in plans.split(", "))
        fees = [(0, Fraction(first[0]))]
        fees += [((date.fromisoformat(day) - NOVEMBER).days, Fraction(fee)) for fee, day in changes]
        ended = 30 if ended_on == "not" else (date.fromisoformat(ended_on) - NOVEMBER).days
        parts = fee_parts(fees, days=30, ended=ended, gives_back=policy == "by_day", is_owed=True, digits=2)
        assert parts == int(total), (policy, plans, ended_on)


def parts_of(*fees: tuple[int, str], days: int, ended: int) -> int:
    return fee_parts(
        [(day, Fraction(fee)) for day, fee in fees], days=days, ended=ended, gives_back=True, is_owed=False, digits=2
    )


def test_nothing_is_given_back_of_an_unpaid_fee() -> None:
    assert parts_of((0, "1000"), days=30, ended=1) == 0
    assert parts_of((0, "99"), (5, "29"), days=31, ended=31) == 2432


def test_a_price_that_cannot_be_read_is_detected() -> None:
    assert is_readable(Tariff(1, "per_unit", {"unit_amount": "0.01"}))
    assert not is_readable(Tariff(1, "per_unit", {"unit_amount": "cheap"}))
    assert not is_readable(Tariff(1, "per_unit", {}))
    assert not is_readable(Tariff(1, "package", {"package_size": "0", "package_amount": "1"}))


def test_verification_knows_the_digits_of_each_currency() -> None:
    for currency in ("EUR", "JPY", "KWD", "UYW", "CLF", "XPF", "TND"):
        assert digits_of(currency) == currency_digits(currency)
