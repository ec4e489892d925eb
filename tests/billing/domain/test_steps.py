"""The steps of a line add up to its amount, for every kind of line."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.invoicing.computing import compute_invoice
from billing.domain.invoicing.lines import InvoicedUsage, LineDraft
from billing.domain.invoicing.state import BillingState, InvoicedFee, Phase
from billing.domain.money import to_major
from billing.domain.prices import Flat, Package, PriceTerms, Tier, Volume
from billing.domain.proration import ShareOfPeriod
from billing.domain.rating import Stretch, rate, rate_stretches
from billing.domain.step_words import words_of
from billing.domain.steps import (
    CarriedStep,
    FeeTakenBackStep,
    InvoicedBeforeStep,
    LineStep,
    NothingCountedStep,
    OnceStep,
    PositionStep,
    ProrationStep,
    RoundingStep,
    StoodOnVoidStep,
    TierSpan,
    UnitsStep,
    steps_of,
    told_by_the_line,
)
from tests.billing.domain.amounts import CURRENCIES, QUANTITIES, TERMS
from tests.billing.domain.states import BASIC, MARCH, TEAM, UNTAXED, invoiced, state, used

EUR = "EUR"
CHANGED = (Phase(MARCH, BASIC), Phase(MARCH.replace(day=16), TEAM))
AMOUNTS = st.integers(0, 10**6)


def lines(of: BillingState, *known: InvoicedUsage, credit_minor: int = 0) -> list[LineDraft]:
    usage = [used(12345) for _ in of.usage_wanted()]
    return list(compute_invoice(of, usage=usage, invoiced=known, credit_minor=credit_minor, taxes=UNTAXED).lines)


def steps(line: LineDraft) -> list[LineStep]:
    return steps_of(line.explanation, line.amount_minor, EUR)


def sum_of(found: list[LineStep]) -> Fraction:
    return sum((Fraction(step.amount) for step in found), Fraction(0))


@given(TERMS, QUANTITIES, CURRENCIES)
def test_the_steps_of_a_price_add_up(terms: PriceTerms, quantity: Decimal, currency: str) -> None:
    charge = rate(terms, quantity, currency)
    found = steps_of(charge.explanation(), charge.amount_minor, currency)
    assert sum_of(found) == Fraction(to_major(charge.amount_minor, currency))
    assert all(words_of(step, currency).label for step in found)


@given(st.lists(st.tuples(TERMS, QUANTITIES), min_size=2, max_size=4), CURRENCIES)
def test_the_steps_of_stretches_add_up(used_of: list[tuple[PriceTerms, Decimal]], currency: str) -> None:
    for charge in rate_stretches([Stretch("same", terms, quantity) for terms, quantity in used_of], currency):
        found = steps_of(charge.explanation(), charge.amount_minor, currency)
        assert sum_of(found) == Fraction(to_major(charge.amount_minor, currency))
        assert not charge.quantity or isinstance(found[0], PositionStep)


def test_a_stretch_states_its_part_of_the_period() -> None:
    packs = Package(Decimal(1000), Decimal("2.50"))
    first, second = rate_stretches([Stretch("packs", packs, Decimal(quantity)) for quantity in (100, 900)], EUR)
    assert steps_of(first.explanation(), 250, EUR)[0] == PositionStep(Decimal(0), Decimal(100))
    assert steps_of(second.explanation(), 0, EUR) == [
        PositionStep(Decimal(100), Decimal(1000)),
        UnitsStep(Decimal(0), Decimal("2.50"), package_size=Decimal(1000)),
    ]
    bulk = Volume((Tier(None, Decimal(1)),))
    *_, last = rate_stretches([Stretch("bulk", bulk, Decimal(quantity)) for quantity in (1, 2, 3)], EUR)
    assert steps_of(last.explanation(), 300, EUR)[0] == PositionStep(Decimal(3), Decimal(6), Decimal(6))
    flat = Flat(Decimal(5))
    _, again = rate_stretches([Stretch("flat", flat, Decimal(1)), Stretch("flat", flat, Decimal(1))], EUR)
    assert steps_of(again.explanation(), 0, EUR)[1] == OnceStep(Decimal(0), None, Decimal(5))


@given(before=AMOUNTS, now=st.integers(0, 10**6), forgiven=st.integers(-(10**6), 10**6), quantity=AMOUNTS)
def test_the_steps_of_a_correction_add_up(before: int, now: int, forgiven: int, quantity: int) -> None:
    known = invoiced(used(quantity, 1), used(now, 2), before, forgiven_minor=forgiven)
    [line] = [line for line in lines(state(2), known) if line.kind == "adjustment"]
    assert sum_of(steps(line)) == Fraction(line.amount_minor, 100)


@pytest.mark.parametrize("is_forgiven", [False, True])
def test_the_steps_of_every_line_of_an_invoice_add_up(*, is_forgiven: bool) -> None:
    known = invoiced(used(10**6), used(0, 0), 100_000, forgiven_minor=5)
    changed = lines(
        state(1, phases=CHANGED, fee=InvoicedFee(None, None, is_forgiven=is_forgiven)), known, credit_minor=100
    )
    assert {line.kind for line in changed} == {"usage", "proration", "adjustment", "recurring", "carry"}
    for line in changed:
        assert sum_of(steps(line)) == Fraction(line.amount_minor, 100), line


def test_a_fee_that_was_taken_back_is_stated() -> None:
    [unused, _] = [
        line
        for line in lines(state(1, phases=CHANGED, fee=InvoicedFee(None, None, is_forgiven=True)))
        if line.kind == "proration"
    ]
    share = Decimal("25.29")
    assert steps(unused) == [ProrationStep(Decimal(49), ShareOfPeriod(16, 31), -share), FeeTakenBackStep(share)]


def test_an_amount_on_void_invoices_is_stated() -> None:
    known = invoiced(used(1300, 2), used(0, 0), 130, forgiven_minor=100)
    [line] = [line for line in lines(state(2), known) if line.kind == "adjustment"]
    assert line.amount_minor == -30
    assert steps(line) == [
        NothingCountedStep(),
        InvoicedBeforeStep("INV-2026-000001", Decimal(1300), Decimal("-1.30")),
        StoodOnVoidStep(Decimal("1.00"), Decimal("1.00")),
    ]


def test_rounding_is_a_step() -> None:
    [line, _] = lines(state(1))
    assert steps(line) == [
        UnitsStep(Decimal(12345), Decimal("0.001")),
        RoundingStep(Decimal("12.345"), Decimal("0.005")),
    ]


def test_a_line_with_one_amount_needs_no_steps() -> None:
    fee = lines(state(0))[0]
    carried = lines(replace(state(1), is_ending=True), credit_minor=10**6)[-1]
    nothing = rate(BASIC.usage_prices(EUR)[0].terms, Decimal(0), EUR)
    assert steps(fee) == [OnceStep(Decimal(49))]
    assert isinstance(steps(carried)[0], CarriedStep)
    assert all(
        told_by_the_line(found) for found in (steps(fee), steps(carried), steps_of(nothing.explanation(), 0, EUR))
    )
    assert not told_by_the_line(steps(lines(state(1))[0]))


@pytest.mark.parametrize(
    ("step", "label"),
    [
        (PositionStep(Decimal(900), Decimal(1800)), "Units 901 to 1,800 of this period"),
        (PositionStep(Decimal(0), Decimal(1)), "Unit 1 of this period"),
        (PositionStep(Decimal(1050), Decimal(1950), is_moved=True),
         "Units 1,051 to 1,950 of this period, since other usage of it was corrected"),
        (PositionStep(Decimal(0), Decimal(5), Decimal(9000)), "Units 1 to 5 of this period, which has 9,000"),
        (PositionStep(Decimal("0.5"), Decimal(2)), "Units above 0.5 up to 2 of this period"),
        (PositionStep(Decimal(0), Decimal("0.5")), "Units above 0 up to 0.5 of this period"),
        (UnitsStep(Decimal(5), Decimal(2)), "Units"),
        (UnitsStep(Decimal(5), Decimal(2), TierSpan(Decimal(0), None)), "All units"),
        (UnitsStep(Decimal(5), Decimal(2), TierSpan(Decimal(0), Decimal(1000))), "Up to 1,000"),
        (UnitsStep(Decimal(5), Decimal(0), TierSpan(Decimal(0), Decimal(1000))), "Up to 1,000, included"),
        (UnitsStep(Decimal(5), Decimal(2), TierSpan(Decimal(1000), Decimal("2000.5"))), "Above 1,000 up to 2,000.5"),
        (OnceStep(Decimal(5), TierSpan(Decimal("2000.5"), None)), "Above 2,000.5: once"),
        (OnceStep(Decimal(5)), "Once a period"),
        (OnceStep(Decimal(5), whole=Decimal(8)), "Once a period 8.00 EUR, less what was charged for it before"),
        (OnceStep(Decimal(5), TierSpan(Decimal(0), None), Decimal(8)),
         "All units: once 8.00 EUR, less what was charged for it before"),
        (UnitsStep(Decimal(3), Decimal(4), package_size=Decimal(1000)), "Packages of 1,000, begun"),
        (RoundingStep(Decimal("1.234"), Decimal("-0.004")), "Rounded half up from 1.234 EUR"),
        (RoundingStep(Decimal("1.234"), Decimal("0.006"), is_with_lines_before=True),
         "Rounded half up from 1.234 EUR, together with the lines before at this price"),
        (ProrationStep(Decimal(49), ShareOfPeriod(16, 31), Decimal(25)), "16 of 31 days of a fee of 49.00 EUR"),
        (FeeTakenBackStep(Decimal(25)), "That fee was taken back: nothing of it is given back"),
        (NothingCountedStep(), "Nothing is counted now"),
        (InvoicedBeforeStep("INV-1", Decimal(5), Decimal(-1)), "Invoiced before, by INV-1"),
        (StoodOnVoidStep(Decimal(2), Decimal(1)), "Of that, 2.00 EUR stood on invoices that are void or credited"),
        (CarriedStep(Decimal(-2)), "Credit that is carried over"),
    ],
)  # fmt: skip
def test_a_step_has_the_same_name_everywhere(step: LineStep, label: str) -> None:
    assert words_of(step, EUR).label.replace("\N{NO-BREAK SPACE}", " ") == label
