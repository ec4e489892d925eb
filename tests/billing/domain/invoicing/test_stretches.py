"""Stretches of one period: what an invoice charges for each, and how a correction of one changes the others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.invoicing.computing import compute_invoice
from billing.domain.invoicing.lines import InvoicedUsage, LineDraft, Used
from billing.domain.invoicing.state import BillingState, Phase
from billing.domain.invoicing.stretches import charges_now, charges_of_usage
from billing.domain.plan_terms import SoldVersion
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier
from billing.domain.rating import rate
from billing.domain.steps import PositionStep, steps_of
from billing.errors import UnbillableError
from tests.billing.domain.amounts import TERMS, terms_at
from tests.billing.domain.states import MARCH, PASS, UNTAXED, invoiced, state, used, version

EUR = "EUR"
SCALE = version(4, "Scale", "199", calls=Graduated((Tier(Decimal(1000), Decimal(0)), Tier(None, Decimal("0.032")))))
GROWTH = version(5, "Growth", "49", calls=Graduated((Tier(Decimal(300), Decimal(0)), Tier(None, Decimal("0.05")))))
STORAGE = version(6, "Storage", "9", bytes=PerUnit(Decimal(1)))


def on(*plans: SoldVersion, **changes: object) -> BillingState:
    """Return March on one plan after another, an hour each and the rest on the last."""
    phases = tuple(Phase(MARCH + timedelta(hours=number), plan) for number, plan in enumerate(plans))
    return state(1, phases=phases, **changes)


def amounts(of: BillingState, *quantities: int) -> list[int]:
    return [charge.amount_minor for *_, charge in charges_of_usage(of, [used(quantity) for quantity in quantities])]


def as_invoiced(of: BillingState, lines: Sequence[LineDraft], now: Sequence[Used]) -> list[InvoicedUsage]:
    """Return the usage lines of an invoice as they are known later, with what the ledger says now."""
    usage = [line for line in lines if line.kind == "usage"]
    return [
        invoiced(
            Used(line.quantity, line.events or 0), one, line.amount_minor, line_id=number, price=price, span=span,
            plan_version_id=plan.id, is_stretch="position" in line.explanation,
        )
        for number, (line, one, (plan, price, span)) in enumerate(zip(usage, now, of.usage_wanted(), strict=True))
    ]  # fmt: skip


def lines_of(of: BillingState, usage: Sequence[Used], known: Sequence[InvoicedUsage] = ()) -> list[LineDraft]:
    return list(compute_invoice(of, usage=usage, invoiced=known, credit_minor=0, taxes=UNTAXED).lines)


def corrections_of(known: Sequence[InvoicedUsage]) -> list[LineDraft]:
    return [line for line in lines_of(state(2), [used(0)], known) if line.kind == "adjustment"]


def test_changing_to_another_plan_and_back_gives_no_included_units_again() -> None:
    assert amounts(on(SCALE, GROWTH, SCALE), 900, 0, 900) == [0, 0, 2560]
    assert amounts(on(SCALE, PASS, SCALE, PASS), 900, 1, 900, 1) == [0, 500, 2563, 0]


def test_a_plan_without_a_price_for_the_meter_does_not_move_it() -> None:
    of = on(SCALE, STORAGE, SCALE)
    assert [price.meter_code for _, price, _ in of.usage_wanted()] == ["calls", "bytes", "calls"]
    assert amounts(of, 900, 10**6, 900) == [0, 10**8, 2560]


def test_before_the_rule_held_each_stretch_was_rated_alone() -> None:
    old = on(SCALE, GROWTH, SCALE, rates_stretches_alone=True)
    lines = lines_of(old, [used(900), used(0), used(900)])
    assert [line.amount_minor for line in lines if line.kind == "usage"] == [0, 0, 0]
    assert not any("position" in line.explanation for line in lines)
    late = as_invoiced(old, lines, [used(1050, 2), used(0), used(900)])
    assert [(line.quantity, line.amount_minor) for line in corrections_of(late)] == [(150, 160)]


def test_late_usage_of_a_stretch_moves_those_after_it() -> None:
    of = on(SCALE, GROWTH, SCALE)
    lines = lines_of(of, [used(900), used(0), used(900)])
    late = corrections_of(as_invoiced(of, lines, [used(1050, 2), used(0), used(900)]))
    assert [(line.adjusts_id, line.quantity, line.events, line.amount_minor) for line in late] == [
        (0, 150, 1, 160),
        (2, 0, 0, 320),
    ]
    assert steps_of(late[0].explanation, 160, EUR)[0] == PositionStep(Decimal(0), Decimal(1050))
    assert steps_of(late[1].explanation, 320, EUR)[0] == PositionStep(Decimal(1050), Decimal(1950), is_moved=True)
    voided = corrections_of(as_invoiced(of, lines, [used(400), used(0), used(900)]))
    assert [(line.adjusts_id, line.quantity, line.amount_minor) for line in voided] == [(0, -500, 0), (2, 0, -1600)]


def test_unchanged_stretches_are_not_corrected() -> None:
    of = on(SCALE, GROWTH, SCALE)
    usage = [used(900), used(0), used(900)]
    assert corrections_of(as_invoiced(of, lines_of(of, usage), usage)) == []


def test_an_amount_withheld_from_a_moved_stretch_is_reported_once() -> None:
    of = on(SCALE, GROWTH, SCALE)
    known = as_invoiced(of, lines_of(of, [used(900), used(0), used(900)]), [used(400), used(0), used(900)])
    known[2] = replace(known[2], forgiven_minor=known[2].amount_minor)
    assert [(line.adjusts_id, line.amount_minor) for line in corrections_of(known)] == [(0, 0)]


def test_corrections_keep_the_order_of_what_they_correct() -> None:
    of = on(SCALE, GROWTH, SCALE)
    known = as_invoiced(of, lines_of(of, [used(1), used(1), used(1)]), [used(2), used(2), used(2)])
    assert [found.line_id for found, _ in charges_now(known[::-1], EUR)] == [2, 1, 0]
    assert [line.adjusts_id for line in corrections_of(known[::-1])] == [2, 1, 0]


def test_an_old_line_and_a_stretch_of_another_invoice_are_no_neighbours() -> None:
    of = on(SCALE, SCALE)
    first, second = as_invoiced(of, lines_of(of, [used(900), used(900)]), [used(1000), used(900)])
    others = [first, replace(second, number="INV-2026-000002")]
    assert [charge.amount_minor for _, charge in charges_now(others, EUR)] == [0, 0]
    alone = [replace(first, is_stretch=False), second]
    assert [charge.amount_minor for _, charge in charges_now(alone, EUR)] == [0, 0]


@pytest.mark.parametrize(("quantity", "reason"), [(-1, "negative_usage"), (10**29, "absurd_quantity")])
def test_a_person_checks_an_impossible_stretch_first(quantity: int, reason: str) -> None:
    of = on(SCALE, GROWTH)
    with pytest.raises(UnbillableError) as refused:
        charges_of_usage(of, [used(quantity), used(0)])
    assert (refused.value.reason, "in this period" in refused.value.detail) == (reason, True)
    known = as_invoiced(of, lines_of(of, [used(0), used(0)]), [used(0), used(quantity)])
    with pytest.raises(UnbillableError) as refused:
        charges_now(known, EUR)
    assert (refused.value.reason, "in INV-2026-000001" in refused.value.detail) == (reason, True)


# What four stretches cost stays below what is absurd on an invoice.
PRICES = terms_at(st.decimals(0, 100, places=4)).filter(
    lambda terms: not isinstance(terms, Package) or terms.package_size > 1
)
USED = st.lists(st.integers(0, 3000), min_size=4, max_size=4)


@given(st.tuples(PRICES, PRICES), USED, USED)
def test_an_invoice_with_its_corrections_is_what_the_usage_costs_now(
    terms: tuple[PriceTerms, PriceTerms], before: list[int], now: list[int]
) -> None:
    one, other = (version(7 + number, "Plan", "0", calls=each) for number, each in enumerate(terms))
    of = on(one, other, one, other)
    lines = lines_of(of, [used(quantity) for quantity in before])
    known = as_invoiced(of, lines, [used(quantity) for quantity in now])
    total = sum(line.amount_minor for line in lines if line.kind == "usage")
    assert total + sum(line.amount_minor for line in corrections_of(known)) == sum(amounts(of, *now))


@given(TERMS, USED)
def test_an_invoice_of_a_plan_that_was_left_and_taken_again_costs_what_staying_costs(
    terms: PriceTerms, quantities: list[int]
) -> None:
    plan, empty = version(7, "Plan", "0", calls=terms), version(8, "Empty", "0", calls=PerUnit(Decimal(0)))
    there_and_back = on(plan, empty, plan, plan, plan)
    first, *rest = quantities
    assert sum(amounts(there_and_back, first, 0, *rest)) == rate(terms, Decimal(sum(quantities)), EUR).amount_minor


def test_a_flat_price_is_charged_once_a_period() -> None:
    dearer = version(9, "Dearer", "0", calls=Flat(Decimal(7)))
    assert amounts(on(PASS, SCALE, PASS), 1, 1, 1) == [500, 0, 0]
    assert amounts(on(PASS, dearer, PASS, dearer), 1, 1, 1, 1) == [500, 200, 0, 0]
