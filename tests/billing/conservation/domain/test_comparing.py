"""Documents are compared with the right amounts of periods: void, forgiven, late, given up, or misplaced."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from billing.conservation.domain.comparing import (
    FEE,
    Booked,
    Life,
    Offer,
    Stage,
    TakenBack,
    Usage,
    imbalances,
    misplaced,
    unbilled,
)
from billing.conservation.domain.costs import Tariff

CALLS = 7
BASIC = Offer(Fraction(29), {CALLS: Tariff(1, "per_unit", {"unit_amount": "0.01"})})
FREE = Offer(Fraction(0), {})
JANUARY, FEBRUARY, MARCH, APRIL = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4))
RUNS = {0: JANUARY, 1: FEBRUARY, 2: MARCH, 3: APRIL}


def usage_line(boundary: int, amount_minor: int, *, kind: str = "usage", **fields: Any) -> Booked:
    return Booked(boundary, kind, CALLS, JANUARY, FEBRUARY, amount_minor, **fields)


def fee_line(boundary: int, amount_minor: int = 2900, **fields: Any) -> Booked:
    return Booked(boundary, "recurring", FEE, RUNS[boundary], RUNS[boundary + 1], amount_minor, **fields)


def life(*lines: Booked, reached: int = 1, **fields: Any) -> Life:
    facts: dict[str, Any] = {"stages": [Stage(JANUARY, BASIC)], "lines": lines, "computed_at": RUNS}
    return Life("UTC", 2, JANUARY, reached, **facts | fields)


def used(quantity: int, start: datetime = JANUARY, end: datetime = FEBRUARY) -> Usage:
    return {(CALLS, start, end): Fraction(quantity)}


def found(one: Life, usage: Usage | None = None) -> Sequence[tuple[int, int, int]]:
    return [(each.meter_id, each.right_minor, each.found_minor) for each in imbalances(one, usage or {})]


def test_correct_documents_have_no_difference() -> None:
    assert found(life(fee_line(0), usage_line(1, 14500)), used(14500)) == []
    assert found(life(fee_line(0), usage_line(1, 14500)), used(9500)) == [(CALLS, 9500, 14500)]
    assert found(life(fee_line(0)), used(100)) == [(CALLS, 100, 0)]
    assert found(life(usage_line(1, 100)), used(100)) == [(FEE, 2900, 0)]


def test_a_wrong_amount_is_named_with_its_days() -> None:
    [one] = imbalances(life(fee_line(0)), used(100))
    assert (one.period, str(one.first), str(one.last)) == (0, "2026-01-01", "2026-01-31")


def test_a_correction_on_a_void_invoice_comes_again() -> None:
    lines = [fee_line(0), fee_line(1), usage_line(1, 14500), usage_line(2, -5000, kind="adjustment", gone_at=MARCH)]
    again = usage_line(3, -14500, kind="adjustment")
    lost = usage_line(3, -9500, kind="adjustment")
    february = Booked(2, "usage", CALLS, FEBRUARY, MARCH, 0)
    march = fee_line(2)
    assert found(life(*lines, february, march, again, reached=3)) == []
    assert found(life(*lines, february, march, lost, reached=3)) == [(CALLS, 0, 5000)]


def test_the_charge_of_a_void_invoice_is_forgiven_and_no_more() -> None:
    forgiven = [fee_line(0), usage_line(1, 10000, gone_at=FEBRUARY)]
    assert found(life(*forgiven), used(10000)) == []
    assert found(life(*forgiven), used(6000)) == []
    assert found(life(*forgiven), used(13000)) == [(CALLS, 3000, 0)]
    assert found(life(*forgiven, usage_line(1, 3000, kind="adjustment")), used(13000)) == []


def test_an_invoice_that_is_voided_after_the_latest_counts_until_the_next() -> None:
    later = usage_line(1, 10000, gone_at=FEBRUARY + timedelta(days=3))
    assert found(life(fee_line(0), later), used(10000)) == []
    assert found(life(fee_line(0), later), used(9000)) == [(CALLS, 9000, 10000)]


def test_an_amount_that_a_credit_note_takes_off_a_line_is_forgiven() -> None:
    partly = usage_line(1, -4000, forgiven_minor=4000)
    assert found(life(fee_line(0), usage_line(1, 10000), partly), used(10000)) == []


def test_a_downgrade_returns_the_remaining_days_unless_the_fee_is_unpaid() -> None:
    stages = [Stage(JANUARY, Offer(Fraction(99), {})), Stage(JANUARY + timedelta(days=5), Offer(Fraction(29), {}))]
    change = JANUARY + timedelta(days=5)
    back = Booked(1, "proration", FEE, change, FEBRUARY, -8303)
    rest = Booked(1, "proration", FEE, change, FEBRUARY, 2432)
    assert found(life(fee_line(0, 9900), back, rest, stages=stages)) == []
    given_up = fee_line(0, 9900, given_up_at=JANUARY + timedelta(days=4))
    assert found(life(given_up, back, rest, stages=stages)) == [(FEE, 12332, 4029)]
    assert found(life(given_up, rest, stages=stages)) == []
    void = fee_line(0, 9900, gone_at=JANUARY + timedelta(days=4))
    assert found(life(void, rest, stages=stages)) == []
    charged = Booked(2, "proration", FEE, change, FEBRUARY, 8303)
    assert found(life(void, back, rest, charged, stages=stages)) == []
    assert found(life(void, back, rest, stages=stages)) == [(FEE, 2432, -5871)]


def test_no_usage_of_a_given_up_invoice_is_returned() -> None:
    given_up = usage_line(1, 10000, given_up_at=FEBRUARY)
    assert found(life(fee_line(0), given_up), used(5000)) == []
    assert found(life(fee_line(0), usage_line(1, 10000)), used(5000)) == [(CALLS, 5000, 10000)]


def test_nothing_is_charged_for_days_after_the_end() -> None:
    ended = {"ended_at": JANUARY + timedelta(days=9, hours=15)}
    kept = {**ended, "gives_back": False}
    back = Booked(1, "proration", FEE, JANUARY + timedelta(days=9, hours=15), FEBRUARY, -2058)
    assert found(life(fee_line(0), **kept)) == []
    assert found(life(fee_line(0), back, **ended)) == []
    assert found(life(fee_line(0), **ended)) == [(FEE, 842, 2900)]
    after = usage_line(1, 100)
    assert found(life(fee_line(0), after, **kept)) == [(CALLS, 0, 100)]
    assert list(misplaced(life(fee_line(0), after, **kept))) == [after]


def test_changing_to_another_plan_and_back_is_one_period() -> None:
    change, back = JANUARY + timedelta(days=9, hours=10), JANUARY + timedelta(days=9, hours=11)
    stages = [Stage(JANUARY, BASIC), Stage(change, FREE), Stage(back, BASIC)]
    lines = [fee_line(0), Booked(1, "usage", CALLS, JANUARY, change, 0), Booked(1, "usage", CALLS, back, FEBRUARY, 1)]
    usage = {(CALLS, JANUARY, change): Fraction("0.4"), (CALLS, back, FEBRUARY): Fraction("0.4")}
    assert found(life(*lines, stages=stages), usage) == []
    assert list(misplaced(life(*lines, stages=stages))) == []


def test_a_line_beside_the_calendar_is_named() -> None:
    shifted = Booked(1, "usage", CALLS, JANUARY, FEBRUARY + timedelta(hours=1), 0)
    assert list(misplaced(life(fee_line(0), shifted))) == [shifted]


def test_usage_from_before_the_beginning_costs_nothing() -> None:
    noon = JANUARY + timedelta(hours=12)
    line = Booked(1, "usage", CALLS, noon, FEBRUARY, 100)
    one = life(fee_line(0), line, stages=[Stage(noon, BASIC)])
    assert found(one, used(100, start=noon)) == []
    assert list(misplaced(one)) == []


def test_a_fee_for_a_period_to_come_is_not_judged() -> None:
    assert found(life(fee_line(0), fee_line(1, 1))) == []


def test_nothing_is_due_for_periods_after_the_end() -> None:
    assert found(life(fee_line(0), reached=3, ended_at=FEBRUARY)) == []


def test_a_remainder_that_a_void_invoice_charged_is_not_given_back() -> None:
    away, home = JANUARY + timedelta(days=10), JANUARY + timedelta(days=20)
    stages = [Stage(JANUARY, BASIC), Stage(away, Offer(Fraction(99), {})), Stage(home, BASIC)]
    gone = {"gone_at": FEBRUARY + timedelta(days=3)}
    trip = [
        Booked(1, "proration", FEE, away, FEBRUARY, -1965, **gone),
        Booked(1, "proration", FEE, away, FEBRUARY, 6706, **gone),
        Booked(1, "proration", FEE, home, FEBRUARY, -3513, **gone),
        Booked(1, "proration", FEE, home, FEBRUARY, 1029, **gone),
    ]
    again = Booked(2, "proration", FEE, away, FEBRUARY, -1965)
    february = [fee_line(1), fee_line(2)]
    assert found(life(fee_line(0), *trip, again, *february, stages=stages, reached=2)) == []
    assert found(life(fee_line(0), *trip, *february, stages=stages, reached=2)) == [(FEE, 935, 2900)]


def test_what_a_credit_note_of_before_took_back_is_named_until_a_document_charges_it() -> None:
    note = {1: TakenBack("CN-1", "Wrong address")}
    gone = [fee_line(0), usage_line(1, 12100, gone_at=FEBRUARY)]

    def lost(usage: Usage, *lines: Booked, notes: dict[int, TakenBack] = note) -> list[tuple[int, int]]:
        return [(one.meter_id, one.amount_minor) for one in unbilled(life(*gone, *lines, taken_back=notes), usage)]

    assert lost(used(12100)) == [(CALLS, 12100)]
    assert lost(used(12100), notes={}) == []
    assert lost(used(4000)) == [(CALLS, 4000)]  # the other events were voided
    assert lost({}) == []
    assert lost(used(12100), usage_line(1, 12100, kind="adjustment")) == []
    fee = life(fee_line(0, gone_at=JANUARY), taken_back={0: TakenBack("CN-2", "Wrong")})
    assert [(one.meter_id, one.amount_minor) for one in unbilled(fee, {})] == [(FEE, 2900)]
