"""Stretches of one period: the worked examples of docs/algorithms/rating.md, and what is true for every price."""

from decimal import Decimal
from fractions import Fraction
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.money import EXACT, round_to_minor
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume
from billing.domain.rating import Charge, Stretch, rate, rate_stretches
from tests.algorithm_pages import json_below, rows_below
from tests.billing.domain.amounts import CURRENCIES, GRADUATED, PACKAGES, QUANTITIES, RATES, TERMS, TIERS

COLUMNS = ("stretches in their order", "times", "minor units of each", "in all")
PARTS = st.lists(st.one_of(st.just(Decimal(0)), QUANTITIES), min_size=1, max_size=6)


def tiers_of(text: str) -> tuple[Tier, ...]:
    """Return `1000: 0.01 + 5; ∞: 0.005` as tiers."""
    tiers = []
    for part in text.split("; "):
        up_to, amounts = part.split(": ")
        each, _, once = amounts.partition(" + ")
        tiers.append(Tier(None if up_to == "∞" else Decimal(up_to), Decimal(each), Decimal(once or 0)))
    return tuple(tiers)


def terms_of(model: str, text: str) -> PriceTerms:
    match model:
        case "graduated" | "graduated at zero":
            return Graduated(tiers_of(text), charges_flat_at_zero=model.endswith("zero"))
        case "volume" | "volume at zero":
            return Volume(tiers_of(text), charges_flat_at_zero=model.endswith("zero"))
        case "package":
            size, _, amount = text.partition(" for ")
            return Package(Decimal(size), Decimal(amount))
    return PerUnit(Decimal(text)) if model == "per unit" else Flat(Decimal(text))


def documented_stretches(text: str) -> list[Stretch]:
    prices = {name: terms_of(model, terms) for name, model, terms in rows_below("rating", "price", "model", "terms")}
    named = [part.rsplit(" ", 1) for part in text.split(", ")]
    return [Stretch(name, prices[name], Decimal(quantity)) for name, quantity in named]


def exactly(charges: list[Charge]) -> Fraction:
    return sum((Fraction(charge.exact) for charge in charges), Fraction(0))


def whole(parts: list[Decimal]) -> Decimal:
    return reduce(EXACT.add, parts, Decimal(0))


def at_one_price(terms: PriceTerms, parts: list[Decimal]) -> list[Stretch]:
    return [Stretch("one", terms, part) for part in parts]


def test_stretches_cost_what_is_documented() -> None:
    for text, times, each, in_all in rows_below("rating", *COLUMNS):
        charges = rate_stretches(documented_stretches(text) * int(times), "EUR")
        amounts = [charge.amount_minor for charge in charges]
        assert sum(amounts) == int(in_all), text
        assert not each or amounts == [int(amount) for amount in each.split(", ")], text


def test_a_first_tier_is_charged_at_zero_if_the_price_says_so() -> None:
    for text, at_zero, quantity, minor in rows_below("rating", "tiers", "charge at zero", "quantity", "minor units"):
        for terms in (Graduated(tiers_of(text), at_zero == "yes"), Volume(tiers_of(text), at_zero == "yes")):
            assert rate(terms, Decimal(quantity), "EUR").amount_minor == int(minor)


@given(TIERS, st.booleans(), st.sampled_from([Graduated, Volume]), PARTS)
def test_a_choice_about_zero_changes_nothing_once_there_is_usage(
    tiers: tuple[Tier, ...],
    at_zero: bool,
    model: type[Graduated | Volume],
    parts: list[Decimal],
) -> None:
    terms = model(tiers, at_zero)
    one = rate(terms, whole(parts), "EUR")
    assert exactly(rate_stretches(at_one_price(terms, parts), "EUR")) == Fraction(one.exact)
    assert one.exact == (
        rate(model(tiers), whole(parts), "EUR").exact if any(parts) else at_zero * tiers[0].flat_amount
    )


@given(TERMS, PARTS, CURRENCIES)
def test_changes_of_plan_at_one_price_cost_and_save_nothing(
    terms: PriceTerms, parts: list[Decimal], currency: str
) -> None:
    one = rate(terms, whole(parts), currency)
    charges = rate_stretches(at_one_price(terms, parts), currency)
    assert exactly(charges) == Fraction(one.exact)
    assert sum(charge.amount_minor for charge in charges) == one.amount_minor
    assert all(charge.amount_minor >= 0 for charge in charges)


@given(st.lists(st.tuples(TERMS, QUANTITIES), min_size=1, max_size=4), TERMS, st.integers(0, 4), CURRENCIES)
def test_a_plan_change_and_back_without_usage_changes_no_amount(
    used: list[tuple[PriceTerms, Decimal]], other: PriceTerms, place: int, currency: str
) -> None:
    stretches = [Stretch(number, terms, quantity) for number, (terms, quantity) in enumerate(used)]
    trip = Stretch("trip", other, Decimal(0))
    without = [charge.amount_minor for charge in rate_stretches(stretches, currency)]
    with_trip = [
        charge.amount_minor for charge in rate_stretches([*stretches[:place], trip, *stretches[place:]], currency)
    ]
    del with_trip[min(place, len(stretches))]
    assert with_trip == without


@given(st.lists(st.tuples(TERMS, QUANTITIES), min_size=2, max_size=5), CURRENCIES)
def test_lines_of_one_price_are_rounded_together(used: list[tuple[PriceTerms, Decimal]], currency: str) -> None:
    stretches = [Stretch(number % 2, used[number % 2][0], quantity) for number, (_, quantity) in enumerate(used)]
    charges = rate_stretches(stretches, currency)
    for price in (0, 1):
        own = [charge for stretch, charge in zip(stretches, charges, strict=True) if stretch.price == price]
        exact = reduce(EXACT.add, (charge.exact for charge in own), Decimal(0))
        assert sum(charge.amount_minor for charge in own) == round_to_minor(exact, currency)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9)), min_size=1, max_size=8))
def test_no_series_of_changes_includes_more_than_the_most_generous_plan(used: list[tuple[int, int]]) -> None:
    stretches = [
        Stretch(included, Graduated((Tier(Decimal(included), Decimal(0)), Tier(None, Decimal(1)))), Decimal(units))
        for included, units in used
    ]
    paid = exactly(rate_stretches(stretches, "EUR"))
    assert paid >= sum(units for _, units in used) - max(included for included, _ in used)


@given(st.lists(st.tuples(RATES, st.booleans()), min_size=1, max_size=6))
def test_amounts_due_once_sum_to_the_highest_of_them(used: list[tuple[Decimal, bool]]) -> None:
    stretches = [Stretch(number, Flat(amount), Decimal(int(is_used))) for number, (amount, is_used) in enumerate(used)]
    asked = [Fraction(amount) for amount, is_used in used if is_used]
    assert exactly(rate_stretches(stretches, "EUR")) == max(asked, default=Fraction(0))


@given(RATES, QUANTITIES, st.one_of(RATES.map(Flat), GRADUATED, PACKAGES), QUANTITIES.filter(bool))
def test_a_unit_on_another_plan_saves_nothing_that_is_due_once(
    unit_amount: Decimal, units: Decimal, terms: PriceTerms, quantity: Decimal
) -> None:
    metered = Stretch("metered", PerUnit(unit_amount), units)
    after = rate_stretches([metered, Stretch("other", terms, quantity)], "EUR")[1]
    if isinstance(terms, Graduated):
        reached = [step.flat_amount for step in rate(terms, EXACT.add(units, quantity), "EUR").steps]
        assert reduce(EXACT.add, (step.flat_amount for step in after.steps)) == reduce(EXACT.add, reached)
    else:
        assert after.exact == rate(terms, quantity, "EUR").exact


def test_a_stretch_of_several_names_its_position() -> None:
    scale, growth, again = rate_stretches(documented_stretches("Scale 900, Growth 0, Scale 900"), "EUR")
    assert scale.explanation()["position"] == {"units": "0", "period": "1800"}
    assert growth.explanation()["position"] == {"units": "900", "period": "1800"}
    assert again.explanation()["position"] == {"units": "900", "period": "1800"}
    assert [(step.quantity, step.amount) for step in again.steps] == [(100, 0), (800, Decimal("25.6"))]
    alone = rate_stretches(documented_stretches("Scale 900"), "EUR")
    assert "position" not in alone[0].explanation()
    assert rate_stretches([], "EUR") == []


def test_the_explanation_of_a_stretch_is_as_documented() -> None:
    *_, last = rate_stretches(documented_stretches("Scale 900, Growth 0, Scale 900"), "EUR")
    assert last.explanation() == json_below("rating", "the first row of section S:")


def test_a_position_holds_what_earlier_stretches_paid() -> None:
    *_, last = rate_stretches(documented_stretches("Light pass 1, Packs 1, Pass 1, Packs 1"), "EUR")
    assert last.explanation()["position"] == {
        "units": "3", "period": "4", "once": "49", "packaged": "1001", "exact": "2.5",
    }  # fmt: skip
    *_, dearer, again = rate_stretches(documented_stretches("Light pass 1, Pass 1, Pass 1"), "EUR")
    assert [(step.flat_amount, step.flat_whole) for step in (*dearer.steps, *again.steps)] == [(29, 49), (0, 49)]
    explained = dearer.explanation()["steps"]
    assert isinstance(explained, list)
    assert explained[0]["flat_whole"] == "49"


def test_an_amount_due_once_that_was_paid_in_part_is_charged_for_the_rest() -> None:
    *_, joined = rate_stretches(documented_stretches("Light pass 1, Joined 1000"), "EUR")
    assert joined.exact == Decimal("9.005")  # nothing of 10 + 5, which is less than 20
    *_, based = rate_stretches(documented_stretches("Joined 1, Bulk with base 2000"), "EUR")
    assert based.exact == 20  # nothing of 8, which is less than 10
    tiers = (Tier(Decimal(10), Decimal(0), Decimal(15)), Tier(None, Decimal(0), Decimal(8)))
    stretches = [*documented_stretches("Joined 1"), Stretch("g", Graduated(tiers), Decimal(20))]
    assert [(step.flat_amount, step.flat_whole) for step in rate_stretches(stretches, "EUR")[1].steps] == [
        (5, 15),
        (8, None),
    ]
    stretches = [
        *documented_stretches("Joined 1"),
        Stretch("v", Volume((Tier(None, Decimal(0), Decimal(15)),)), Decimal(1)),
    ]
    assert [(step.flat_amount, step.flat_whole) for step in rate_stretches(stretches, "EUR")[1].steps] == [(5, 15)]
