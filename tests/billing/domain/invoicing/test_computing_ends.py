"""How much an end within the period, or a smaller plan, gives back: docs/algorithms/rating.md, P5 to P7."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.invoicing.computing import ComputedInvoice, compute_invoice
from billing.domain.invoicing.lines import PRORATION, LineDraft
from billing.domain.invoicing.state import BillingState, InvoicedFee, Phase
from billing.domain.plan_terms import SoldVersion
from billing.domain.proration import FeeRefund
from billing.domain.steps import FeeKeptStep, FeeTakenBackStep, ProrationStep, steps_of
from tests.algorithm_pages import rows_below
from tests.billing.domain.states import UNTAXED, state, used, version

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOON = timedelta(hours=12)
COLUMNS = ("policy", "plans", "ended on", "lines", "sum")


def plan(fee: str) -> SoldVersion:
    return version(int(fee) + 1, f"Plan {fee}", fee)


def november(policy: FeeRefund, phases: list[tuple[datetime, str]], ends_at: datetime | None) -> BillingState:
    """Return the boundary after November, or at the end within it."""
    closing = replace(
        state(1, phases=tuple(Phase(starts_at, plan(fee), policy) for starts_at, fee in phases)),
        anchor_at=NOVEMBER,
        closes_at=ends_at or DECEMBER,
    )
    return closing if ends_at is None else replace(closing, is_ending=True, ended_at=ends_at, end_refund=policy)


def computed(of: BillingState) -> ComputedInvoice:
    usage = [used(0) for _ in of.usage_wanted()]
    return compute_invoice(of, usage=usage, invoiced=[], credit_minor=0, taxes=UNTAXED)


def prorated(of: BillingState) -> list[LineDraft]:
    return [line for line in computed(of).lines if line.kind == PRORATION]


@pytest.mark.parametrize(
    ("policy", "plans", "ended_on", "lines", "total"),
    rows_below("rating", *COLUMNS),
    ids=str,
)
def test_ends_are_as_documented(policy: str, plans: str, ended_on: str, lines: str, total: str) -> None:
    first, *changes = (part.split(" on ") for part in plans.split(", "))
    phases = [(NOVEMBER, first[0])]
    # Later on its day than the change, if both are on one day.
    phases += [(midnight(day) + NOON / 2 + timedelta(minutes=number), fee) for number, (fee, day) in enumerate(changes)]
    ends_at = None if ended_on == "not" else midnight(ended_on) + NOON
    found = prorated(november(FeeRefund(policy), phases, ends_at))
    assert [line.amount_minor for line in found] == [int(amount) for amount in lines.split() if amount != "none"]
    assert sum(line.amount_minor for line in found) == int(total)


def midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)


PHASES = st.lists(st.tuples(st.integers(1, 29 * 24), st.sampled_from(["0", "29", "199", "1000"])), max_size=5)


@given(changes=PHASES, hours=st.integers(0, 30 * 24 - 1), policy=st.sampled_from(FeeRefund))
def test_an_end_charges_at_most_the_days_until_then(
    changes: list[tuple[int, str]], hours: int, policy: FeeRefund
) -> None:
    begun = {0: "29"} | dict(sorted(changes))
    phases = [(NOVEMBER + timedelta(hours=hour), fee) for hour, fee in begun.items()]
    ends_at = NOVEMBER + timedelta(hours=hours)
    lines = prorated(november(policy, phases, ends_at))
    days_used = (ends_at.date() - NOVEMBER.date()).days
    assert all(line.explanation["days"] <= days_used for line in lines if line.amount_minor > 0)  # type: ignore[operator]
    total = sum(line.amount_minor for line in lines)
    highest = max(int(fee) for _, fee in phases)
    assert total <= highest * 100 * days_used / 30 + len(lines)
    assert 2900 + total >= -len(lines)
    if policy is FeeRefund.NONE:
        assert total >= 0
    for line in lines:
        steps = steps_of(line.explanation, line.amount_minor, "EUR")
        assert sum(step.amount for step in steps) * 100 == line.amount_minor


def test_an_uncollectible_fee_is_not_given_back_at_the_end() -> None:
    of = november(FeeRefund.BY_DAY, [(NOVEMBER, "1000")], NOVEMBER + DAY + NOON)
    [line] = prorated(replace(of, fee=InvoicedFee(None, None, is_forgiven=True)))
    assert line.amount_minor == 0
    kinds = [type(step) for step in steps_of(line.explanation, 0, "EUR")]
    assert kinds == [ProrationStep, FeeTakenBackStep]


def test_a_withheld_amount_is_named_on_its_line() -> None:
    of = november(FeeRefund.NONE, [(NOVEMBER, "199"), (NOVEMBER + 15 * DAY, "29")], None)
    back, _ = prorated(of)
    assert back.explanation["kept_minor"] == 8500
    assert isinstance(steps_of(back.explanation, back.amount_minor, "EUR")[-1], FeeKeptStep)


def test_the_policy_is_that_of_the_latest_decision_within_the_period() -> None:
    changes = [(NOVEMBER, "199"), (NOVEMBER + DAY, "29")]
    by_day, nothing = (november(policy, changes, NOVEMBER + 2 * DAY) for policy in FeeRefund)
    assert replace(by_day, end_refund=FeeRefund.NONE).fee_refund is FeeRefund.NONE
    assert replace(nothing, end_refund=FeeRefund.BY_DAY).fee_refund is FeeRefund.BY_DAY
    assert november(FeeRefund.NONE, changes, None).fee_refund is FeeRefund.NONE
    assert november(FeeRefund.NONE, changes[:1], None).fee_refund is FeeRefund.BY_DAY
    assert state(0).fee_refund is FeeRefund.BY_DAY


def test_an_end_before_the_first_phase_gives_its_fee_back() -> None:
    # Who subscribes at noon has a period since midnight.
    of = november(FeeRefund.BY_DAY, [(NOVEMBER + NOON, "30")], NOVEMBER + NOON)
    [line] = prorated(of)
    assert (line.amount_minor, line.period.start, line.period.end) == (-3000, NOVEMBER + NOON, DECEMBER)
