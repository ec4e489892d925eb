"""The lines of an invoice at a boundary, their order, and what a person has to check first."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import InvoicedUsage, Used, digest_of_lines
from billing.domain.invoicing.state import BillingState, InvoicedFee, Phase, Reopened, open_again
from billing.domain.invoicing.stretches import QUANTITY_BELOW
from billing.domain.money import AMOUNT_MINOR_MAX
from billing.domain.prices import Flat
from billing.domain.proration import FeeRefund
from billing.domain.tax import TaxCategory, TaxDecision, TaxTable, TaxTreatment
from billing.errors import UnbillableError
from metering.domain.periods import Span
from tests.algorithm_pages import rows_below
from tests.billing.domain.states import (
    APRIL,
    BASIC,
    MARCH,
    MAY,
    TEAM,
    UNTAXED,
    VAT,
    VAT_ALWAYS,
    compute,
    invoiced,
    state,
    used,
)

MID_MARCH = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
CHANGED = (Phase(MARCH, BASIC), Phase(MID_MARCH, TEAM))
NOTHING = used(0, 0)


def lines(computed: ComputedInvoice) -> list[tuple[str, str, int]]:
    return [(line.kind, line.description, line.amount_minor) for line in computed.lines]


def test_the_first_invoice_has_the_fee_of_the_first_period_alone() -> None:
    computed = compute(state(0), taxes=VAT_ALWAYS)
    assert lines(computed) == [("recurring", "Basic: monthly fee", 4900)]
    assert computed.lines[0].period == computed.state.covered == Span(MARCH, APRIL)
    assert (computed.subtotal_minor, computed.tax_minor, computed.total_minor) == (4900, 1029, 5929)


def test_a_later_invoice_has_the_usage_of_the_last_period_and_the_fee_of_the_next() -> None:
    computed = compute(state(1), [used(12345, 12345)])
    assert lines(computed) == [("usage", "Basic: Calls", 1235), ("recurring", "Basic: monthly fee", 4900)]
    assert [line.period for line in computed.lines] == [Span(MARCH, APRIL), Span(APRIL, MAY)]
    assert computed.state.covered == Span(MARCH, APRIL)
    usage = computed.lines[0]
    assert (usage.quantity, usage.unit, usage.events) == (12345, "call", 12345)
    assert (usage.plan_version_id, usage.price_id, usage.meter_id) == (1, 11, 1)


def test_the_last_invoice_has_no_fee() -> None:
    ending = state(1, is_ending=True, closes_at=MID_MARCH, end_refund=FeeRefund.NONE)
    computed = compute(ending, [used(1000)])
    assert lines(computed) == [("usage", "Basic: Calls", 100)]
    assert computed.lines[0].period == Span(MARCH, MID_MARCH)
    look = ending.following
    assert look is not None
    assert look.closes_at == MID_MARCH + timedelta(days=35 + 1)
    assert look.covered == Span(MID_MARCH, look.closes_at)
    assert (look.closed, look.opened, look.usage_wanted(), look.following) == (None, None, [], None)
    assert compute(look).lines == ()


def test_a_trial_that_ends_with_its_subscription_costs_nothing() -> None:
    computed = compute(state(0, is_ending=True))
    assert (lines(computed), computed.total_minor) == ([], 0)
    assert computed.state.covered == Span(MARCH, MARCH)


def test_a_change_cuts_usage_at_its_instant_and_fees_by_the_day() -> None:
    changed = state(1, phases=CHANGED)
    assert [(plan.plan_name, span) for plan, span in changed.segments()] == [
        ("Basic", Span(MARCH, MID_MARCH)),
        ("Team", Span(MID_MARCH, APRIL)),
    ]
    computed = compute(changed, [used(500000, 500), used(3000000, 600), used(300000, 600)])
    assert lines(computed) == [
        ("usage", "Basic: Calls", 50000),
        ("usage", "Team: Bytes", 300),
        ("usage", "Team: Calls", 15000),  # units 500,001 to 800,000 of the period: the included ones are used up
        ("proration", "Unused time on Basic (16 of 31 days)", -2529),
        ("proration", "Remaining time on Team (16 of 31 days)", 10271),
        ("recurring", "Team: monthly fee", 19900),
    ]
    assert {line.period for line in computed.lines if line.kind == "proration"} == {Span(MID_MARCH, APRIL)}


def test_a_change_back_on_the_same_day_comes_to_nothing() -> None:
    there_and_back = (*CHANGED, Phase(MID_MARCH + timedelta(hours=1), BASIC))
    shares = [line.amount_minor for line in compute(state(1, phases=there_and_back)).lines if line.kind == "proration"]
    assert len(shares) == 4
    assert sum(shares) == 0


def test_a_change_at_the_boundary_takes_effect_there_without_proration() -> None:
    computed = compute(state(1, phases=(Phase(MARCH, BASIC), Phase(APRIL, TEAM))))
    assert lines(computed) == [("usage", "Basic: Calls", 0), ("recurring", "Team: monthly fee", 19900)]


def test_a_change_during_the_trial_costs_nothing() -> None:
    before = MARCH - timedelta(days=10)
    changed = (Phase(before, BASIC), Phase(before + timedelta(days=1), TEAM))
    assert lines(compute(state(0, phases=changed))) == [("recurring", "Team: monthly fee", 19900)]
    assert [kind for kind, _, _ in lines(compute(state(1, phases=changed)))] == ["usage", "usage", "recurring"]


def test_usage_before_the_subscription_is_not_billed() -> None:
    late = MARCH + timedelta(hours=15)
    assert state(1, phases=(Phase(late, BASIC),)).segments() == [(BASIC, Span(late, APRIL))]
    assert state(1, phases=(Phase(APRIL, BASIC),)).segments() == []
    assert state(0).segments() == []


def test_before_its_first_phase_a_subscription_is_on_its_first_plan() -> None:
    assert state(0, phases=CHANGED).version_at(MARCH - timedelta(days=1)) == BASIC
    assert state(0, phases=CHANGED).version_at(MID_MARCH) == TEAM


def test_invoice_days_are_those_of_the_subscriptions_zone() -> None:
    # 16 March 09:30 in UTC is still the 15th in Honolulu. The period there ends on 1 April 00:00 local time.
    anchor = datetime(2026, 3, 1, 10, tzinfo=UTC)
    at = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
    there = state(1, time_zone="Pacific/Honolulu", anchor_at=anchor, closes_at=datetime(2026, 4, 1, 10, tzinfo=UTC))
    computed = compute(replace(there, phases=(Phase(anchor, BASIC), Phase(at, TEAM))))
    assert "(17 of 31 days)" in computed.lines[-2].description


def test_late_usage_is_an_adjustment_at_the_price_it_was_invoiced_at() -> None:
    known = invoiced(used(12345, 12345), used(12545, 12545), 1235)
    computed = compute(state(2), known=(known,))
    assert lines(computed) == [
        ("usage", "Basic: Calls", 0),
        ("adjustment", "Correction of INV-2026-000001: Calls", 20),
        ("recurring", "Basic: monthly fee", 4900),
    ]
    line = computed.lines[1]
    assert (line.quantity, line.events, line.adjusts_id, line.period) == (200, 200, 7, Span(MARCH, APRIL))
    assert line.explanation["invoiced"] == {"quantity": "12345", "amount_minor": 1235}
    assert line.explanation["now"]["amount_minor"] == 1255  # type: ignore[index]


@pytest.mark.parametrize(
    ("before", "now", "amount_minor", "forgiven_minor", "given_back"),
    [
        (1000, 0, 100, 100, 0),  # all of it was forgiven: nothing was paid that could be given back
        (1300, 0, 130, 100, -30),
        (1300, 1200, 130, 100, -10),
        (1000, 1500, 100, 100, 50),
        (0, 0, 100, 100, 0),
        (1000, 0, 0, -100, 0),
    ],
)
def test_no_more_is_given_back_than_was_charged(
    before: int, now: int, amount_minor: int, forgiven_minor: int, given_back: int
) -> None:
    known = invoiced(used(before, 2), used(now, 1), amount_minor, forgiven_minor=forgiven_minor)
    line = compute(state(2), known=(known,)).lines[1]
    assert (line.kind, line.quantity, line.amount_minor) == ("adjustment", now - before, given_back)
    assert line.explanation["invoiced"]["forgiven_minor"] == forgiven_minor  # type: ignore[index]


def test_what_is_in_force_is_corrected_as_documented() -> None:
    # Section F of docs/algorithms/invoicing.md.
    columns = ("what happened", "charged", "forgiven", "unpaid", "now", "adjustment")
    table = rows_below("invoicing", *columns)
    assert len(table) > 5
    for what, *numbers in table:
        charged, forgiven, unpaid, now, adjustment = (int(number) for number in numbers)
        known = invoiced(
            used(charged), used(now), charged, forgiven_minor=forgiven, unpaid_minor=unpaid, is_touched=True
        )
        assert known.difference_minor(now) == adjustment, what


def test_a_touched_period_is_checked_although_its_usage_is_the_same() -> None:
    given_back = invoiced(used(9500), used(9500), 950, forgiven_minor=1450, is_touched=True)
    assert [line.amount_minor for line in compute(state(2), known=(given_back,)).lines][1] == 500
    whole = invoiced(used(9500), used(9500), 950, is_touched=True)
    assert len(compute(state(2), known=(whole,)).lines) == 2


def test_a_return_on_a_document_no_longer_in_force_comes_again_with_its_tax() -> None:
    again = Reopened(
        9, "INV-2026-000002", "Unused time on Team", Span(MARCH, APRIL), -700, VAT, date(2026, 3, 1), 2, 20
    )
    line = compute(state(2, reopened=(again,)), taxes=UNTAXED).lines[1]
    assert (line.kind, line.description) == ("proration", "Unused time on Team, from INV-2026-000002")
    assert (line.amount_minor, line.adjusts_id, line.tax, line.supplied_on) == (-700, 9, VAT, date(2026, 3, 1))
    assert line.explanation == {"model": "reopened", "invoice": "INV-2026-000002"}


@pytest.mark.parametrize(
    ("stands", "is_forgiven", "is_unpaid", "opened"),
    [
        (-700, False, False, 0),
        (0, False, False, -700),
        (-700, True, False, 700),
        (0, True, False, 0),
        (0, False, True, 0),
        (-1400, False, True, 700),
    ],
)
def test_the_open_part_of_a_share_of_a_fee(stands: int, is_forgiven: bool, is_unpaid: bool, opened: int) -> None:
    fee = InvoicedFee(5, VAT, is_forgiven=is_forgiven, is_unpaid=is_unpaid)
    assert open_again(-700, stands_minor=stands, fee=fee) == opened


def test_the_share_of_a_given_up_fee_is_withheld() -> None:
    given_up = state(1, phases=CHANGED, fee=InvoicedFee(5, VAT, is_unpaid=True))
    [back, _] = [line for line in compute(given_up).lines if line.kind == "proration"]
    assert (back.amount_minor, back.explanation["withheld_minor"]) == (0, 2529)
    keeps = replace(given_up, phases=(CHANGED[0], replace(CHANGED[1], fee_refund=FeeRefund.NONE)))
    [kept, _] = [line for line in compute(keeps).lines if line.kind == "proration"]
    # The bigger plan is charged, so nothing of the share is kept: it comes once the fee is paid.
    assert (kept.amount_minor, kept.explanation["withheld_minor"]) == (0, 2529)


def test_a_void_after_the_invoice_gives_back_what_it_cost() -> None:
    computed = compute(state(2), known=(invoiced(used(1000, 2), used(500, 1), 100),))
    assert computed.lines[1].amount_minor == -50
    assert (computed.lines[1].quantity, computed.lines[1].events) == (-500, -1)


def test_unchanged_usage_is_not_corrected() -> None:
    assert len(compute(state(2), known=(invoiced(used(1000), used(1000), 100),)).lines) == 2


def test_a_correction_of_thirty_digits_is_exact() -> None:
    before, now = used("1" * 20 + ".000000001"), used("1" * 20 + ".000000003")
    flat = replace(BASIC.usage_prices("EUR")[0], terms=Flat(Decimal(49)))
    computed = compute(state(2), known=(invoiced(before, now, 4900, price=flat),))
    assert computed.lines[1].quantity == Decimal("0.000000002")


@given(st.decimals(-(10**20), 10**20, places=30), st.decimals(-(10**20), 10**20, places=30))
def test_sums_are_exact_and_rounded_once_to_the_places_of_a_line(one: Decimal, other: Decimal) -> None:
    both = Used(one, 1).plus(other, 2)
    assert (Fraction(both.quantity), both.events) == (Fraction(one) + Fraction(other), 3)
    rounded = Used.of(both.quantity, both.events)
    assert abs(Fraction(rounded.quantity) - Fraction(both.quantity)) <= Fraction(1, 2 * 10**9)


def test_more_credit_than_there_is_to_pay_goes_to_the_next_invoice() -> None:
    gone = invoiced(used(100000, 9), NOTHING, 10000, tax=VAT)
    computed = compute(state(2), known=(gone,), taxes=VAT_ALWAYS)
    assert lines(computed)[-1] == ("carry", "Credit that goes to the next invoice", 6171)
    assert (computed.subtotal_minor, computed.tax_minor, computed.total_minor) == (-5100, -1071, 0)
    assert computed.credit_left_minor == 6171
    following = compute(state(2), credit_minor=computed.credit_left_minor, taxes=VAT_ALWAYS)
    assert lines(following)[-2:] == [
        ("carry", "Credit from the invoice before", -6171),
        ("carry", "Credit that goes to the next invoice", 6171 - 5929),
    ]
    assert (following.subtotal_minor, following.tax_minor, following.total_minor) == (4900, 1029, 0)


def test_credit_is_taken_off_after_tax() -> None:
    computed = compute(state(0), credit_minor=900, taxes=VAT_ALWAYS)
    assert (computed.subtotal_minor, computed.tax_minor, computed.total_minor) == (4900, 1029, 5029)
    assert (computed.carried_minor, computed.credit_left_minor) == (-900, 0)


UNTIL_APRIL = TaxDecision(TaxTreatment.STANDARD, "VAT", Decimal(21), jurisdiction="BE")
FROM_APRIL = replace(UNTIL_APRIL, percent=Decimal(25))
CHANGING = TaxTable(((None, UNTIL_APRIL), (date(2026, 4, 1), FROM_APRIL)))


def test_a_line_bears_the_tax_of_its_day_of_supply() -> None:
    computed = compute(state(1), [used(12345)], taxes=CHANGING)
    assert [(line.supplied_on, line.tax) for line in computed.lines] == [
        (date(2026, 3, 31), UNTIL_APRIL),
        (date(2026, 4, 1), FROM_APRIL),
    ]
    assert [(row.tax.percent, row.base_minor, row.tax_minor) for row in computed.taxes] == [
        (21, 1235, 259),
        (25, 4900, 1225),
    ]
    assert (computed.subtotal_minor, computed.tax_minor, computed.total_minor) == (6135, 1484, 7619)


def test_days_of_supply_are_those_of_the_zone() -> None:
    # 1 April in Honolulu begins at 10:00 in UTC, until when March's rate holds.
    start, end = datetime(2026, 3, 1, 10, tzinfo=UTC), datetime(2026, 4, 1, 10, tzinfo=UTC)
    there = state(1, time_zone="Pacific/Honolulu", anchor_at=start, closes_at=end, phases=(Phase(start, BASIC),))
    assert [line.supplied_on for line in compute(there).lines] == [date(2026, 3, 31), date(2026, 4, 1)]


def test_a_correction_bears_the_tax_of_the_line_that_it_corrects() -> None:
    untaxed = replace(
        VAT, treatment=TaxTreatment.REVERSE_CHARGE, percent=Decimal(0), category=TaxCategory.REVERSE_CHARGE
    )
    gone = invoiced(used(49000, 9), NOTHING, 4900, tax=untaxed)
    computed = compute(state(2), known=(gone,), taxes=VAT_ALWAYS)
    # It does not lower the base of what is taxed now.
    assert [(row.tax.percent, row.base_minor, row.tax_minor) for row in computed.taxes] == [
        (21, 4900, 1029),
        (0, -4900, 0),
    ]
    assert (computed.subtotal_minor, computed.total_minor) == (0, 1029)


def test_unused_time_bears_the_tax_of_the_fee_and_remaining_time_that_of_its_first_day() -> None:
    at = datetime(2026, 4, 16, 9, 30, tzinfo=UTC)
    again = at + timedelta(days=1)
    fee = InvoicedFee(5, UNTIL_APRIL)
    changed = state(2, phases=(Phase(MARCH, BASIC), Phase(at, TEAM), Phase(again, BASIC)), fee=fee)
    shares = [line for line in compute(changed, taxes=CHANGING).lines if line.kind == "proration"]
    assert [(line.tax, line.supplied_on, line.adjusts_id) for line in shares] == [
        (UNTIL_APRIL, date(2026, 4, 1), 5),
        (FROM_APRIL, date(2026, 4, 16), None),
        (FROM_APRIL, date(2026, 4, 16), None),
        (FROM_APRIL, date(2026, 4, 17), None),
    ]
    unknown = [
        line.tax for line in compute(replace(changed, fee=None), taxes=CHANGING).lines if line.kind == "proration"
    ]
    assert unknown[0] == FROM_APRIL


def test_a_credit_that_pays_all_leaves_nothing() -> None:
    computed = compute(state(0), credit_minor=4900)
    assert (len(computed.lines), computed.total_minor, computed.credit_left_minor) == (2, 0, 0)


@given(
    calls=st.integers(0, 10**9),
    before=st.integers(0, 10**6),
    now=st.integers(0, 10**6),
    credit=st.integers(0, 10**6),
    changed=st.booleans(),
)
def test_the_lines_and_their_taxes_sum_to_the_total_which_is_never_negative(
    calls: int, before: int, now: int, credit: int, changed: bool
) -> None:
    of = state(1, phases=CHANGED) if changed else state(1)
    usage = [used(calls) for _ in of.usage_wanted()]
    known = invoiced(used(before), used(now), before // 10)
    computed = compute(of, usage, (known,), credit_minor=credit, taxes=VAT_ALWAYS)
    assert computed.total_minor == sum(line.amount_minor for line in computed.lines) + computed.tax_minor >= 0
    assert computed.subtotal_minor == sum(row.base_minor for row in computed.taxes)
    assert not computed.credit_left_minor or not computed.total_minor


@pytest.mark.parametrize(
    ("of", "usage", "known", "reason"),
    [
        (state(1), [used(-1)], (), "negative_usage"),
        (state(2), None, (invoiced(used(1), used(-1), 0),), "negative_usage"),
        (state(1), [used(AMOUNT_MINOR_MAX * 11)], (), "absurd_amount"),
        (state(1), [used(QUANTITY_BELOW)], (), "absurd_quantity"),
        (state(2), None, (invoiced(used(1), used(QUANTITY_BELOW), 0),), "absurd_quantity"),
        (state(0, currency="USD"), None, (), "currency_not_offered"),
        (state(1, currency="USD", phases=CHANGED), None, (), "currency_not_offered"),
    ],
)
def test_an_implausible_invoice_needs_a_person_first(
    of: BillingState, usage: list[Used] | None, known: tuple[InvoicedUsage, ...], reason: str
) -> None:
    with pytest.raises(UnbillableError) as refused:
        compute(of, usage, known)
    assert refused.value.reason == reason


def test_many_lines_that_are_each_in_bounds_may_still_be_absurd() -> None:
    of = state(1, phases=(Phase(MARCH, TEAM),))
    with pytest.raises(UnbillableError, match="would come to"):
        compute(of, [used(AMOUNT_MINOR_MAX * 10**4), used(AMOUNT_MINOR_MAX * 20 - 10**9)])


def test_the_digest_changes_when_a_line_changes() -> None:
    one, same = compute(state(1), [used(1)]), compute(state(1), [used("1.000")])
    assert one.lines_digest == same.lines_digest == digest_of_lines(one.lines)
    others = [
        compute(state(1), [used(2)]),
        compute(state(1), [used(1, 2)]),
        compute(state(1, phases=CHANGED)),
        compute(state(1), [used(1)], credit_minor=1),
    ]
    assert len({one.lines_digest, *(other.lines_digest for other in others)}) == 5
    taxed = compute(state(1), [used(1)], taxes=VAT_ALWAYS)
    before = [replace(line, supplied_on=None) for line in taxed.lines]
    assert len({one.lines_digest, taxed.lines_digest, digest_of_lines(before)}) == 3
    # That of lines from before lines bore their tax is as it was.
    assert digest_of_lines(before) == digest_of_lines([replace(line, tax=None) for line in before])


@given(
    anchor=st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - naive by its signature
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"]),
    boundary=st.integers(1, 30),
    cuts=st.lists(st.floats(0, 1), max_size=4, unique=True),
)
def test_segments_tile_the_periods_and_the_periods_tile_time(
    anchor: datetime, zone: str, boundary: int, cuts: list[float]
) -> None:
    first = replace(state(0), anchor_at=anchor, closes_at=anchor, time_zone=zone, phases=(Phase(anchor, BASIC),))
    of = first
    for _ in range(boundary):
        following = of.following
        assert following is not None
        assert of.opened == following.closed == Span(of.closes_at, following.closes_at)
        of = following
    closed = of.closed
    assert closed is not None
    moments = sorted({closed.start + (closed.end - closed.start) * cut for cut in cuts})
    phases = [Phase(moment, TEAM if number % 2 else BASIC) for number, moment in enumerate(moments)]
    segments = replace(of, phases=(*first.phases, *phases)).segments()
    assert segments[0][1].start == closed.start
    assert segments[-1][1].end == closed.end
    assert all(before.end == after.start for (_, before), (_, after) in pairwise(segments))


def test_a_line_names_the_versions_of_its_meter_if_a_later_one_counts() -> None:
    def versions(*borders: datetime) -> object:
        price = replace(BASIC.prices[1], meter_borders=borders)
        plan = replace(BASIC, prices=(BASIC.prices[0], price))
        usage = compute(state(1, phases=(Phase(MARCH, plan),)), [used(1000)]).lines[0]
        return usage.explanation.get("meter_versions")

    assert versions() is None
    assert versions(APRIL) is None
    assert versions(MID_MARCH) == [1, 2]
    assert versions(MARCH, MID_MARCH, APRIL) == [2, 3]
