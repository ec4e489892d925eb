"""Days of a schedule: the moments of its steps, refusals, lateness, pauses and interest."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.errors import InvalidFieldsError
from billing.dunning.domain.schedules import (
    ScheduleTerms,
    check_terms,
    interest_minor,
    moved_by,
    moved_by_pause,
    plan_steps,
)
from billing.dunning.domain.states import CaseKind

FAILED = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def steps(kind: CaseKind, terms: ScheduleTerms | None = None, **given: Any) -> list[tuple[str, datetime]]:
    given = {"opened_at": FAILED, "time_zone": "UTC", "ends_service": True} | given
    return [(step.kind.value, step.due_at) for step in plan_steps(terms or ScheduleTerms(), kind, **given)]


def test_a_declined_card_is_charged_again_on_days_1_3_5_and_7_at_the_same_time_of_day() -> None:
    assert steps(CaseKind.CHARGE) == [
        ("notice", FAILED),
        ("retry", FAILED + DAY),
        ("retry", FAILED + 3 * DAY),
        ("retry", FAILED + 5 * DAY),
        ("retry", FAILED + 7 * DAY),
        ("suspend", FAILED + 14 * DAY),
        ("warning", FAILED + 27 * DAY),
        ("cancel", FAILED + 30 * DAY),
    ]


def test_a_transfer_is_reminded_at_nine_in_the_sellers_zone_and_never_before_now() -> None:
    told = steps(CaseKind.TRANSFER, ScheduleTerms(cancel_on_day=None, warn_before_days=None), time_zone="Europe/Berlin")
    assert told == [
        ("reminder", FAILED),
        ("reminder", datetime(2026, 3, 11, 8, tzinfo=UTC)),
        ("reminder", datetime(2026, 3, 18, 8, tzinfo=UTC)),
        ("suspend", datetime(2026, 3, 18, 8, tzinfo=UTC)),
    ]
    early = datetime(2026, 3, 5, 0, 50, tzinfo=UTC)
    assert steps(CaseKind.TRANSFER, opened_at=early)[0] == ("reminder", datetime(2026, 3, 5, 9, tzinfo=UTC))
    # Summer time began: nine is an hour earlier in UTC.
    later = steps(CaseKind.TRANSFER, ScheduleTerms(reminder_days=(30,)), time_zone="Europe/Berlin")
    assert ("reminder", datetime(2026, 4, 3, 7, tzinfo=UTC)) in later


def test_what_has_ended_is_neither_suspended_nor_cancelled_and_a_fee_has_its_day() -> None:
    told = steps(CaseKind.CHARGE, ScheduleTerms(fee_on_day=3), ends_service=False)
    assert [kind for kind, _ in told] == ["notice", "retry", "retry", "fee", "retry", "retry"]
    assert steps(CaseKind.TRANSFER, ScheduleTerms((), (), None, None, None)) == []


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"retry_days": (3, 1)}, "/retry_days"),
        ({"retry_days": (1, 1)}, "/retry_days"),
        ({"retry_days": (0,)}, "/retry_days"),
        ({"reminder_days": (366,)}, "/reminder_days"),
        ({"reminder_days": tuple(range(1, 14))}, "/reminder_days"),
        ({"suspend_on_day": 0}, "/suspend_on_day"),
        ({"suspend_on_day": 30}, "/cancel_on_day"),
        ({"cancel_on_day": None}, "/warn_before_days"),
        ({"warn_before_days": 30}, "/warn_before_days"),
        ({"fee_on_day": 400}, "/fee_on_day"),
    ],
)
def test_days_that_make_no_schedule_are_refused_by_name(changed: dict[str, Any], pointer: str) -> None:
    check_terms(ScheduleTerms())
    with pytest.raises(InvalidFieldsError) as refused:
        check_terms(ScheduleTerms(**changed))
    assert pointer in {error.pointer for error in refused.value.field_errors}


def test_a_late_step_moves_the_others_and_a_pause_moves_them_by_the_days_that_the_case_was_open() -> None:
    assert moved_by(FAILED, FAILED + timedelta(hours=12)) == timedelta()
    assert moved_by(FAILED, FAILED + 2 * DAY) == 2 * DAY
    paused, resumed = FAILED - DAY, FAILED + 3 * DAY
    assert moved_by_pause(opened_at=FAILED, paused_at=paused, resumed_at=resumed) == 3 * DAY
    assert moved_by_pause(opened_at=FAILED - 5 * DAY, paused_at=paused, resumed_at=resumed) == 4 * DAY
    assert moved_by_pause(opened_at=resumed + DAY, paused_at=paused, resumed_at=resumed) == timedelta()


@pytest.mark.parametrize(
    ("minor", "currency", "percent", "paid_on", "charged"),
    [
        (100_000, "EUR", "9.27", date(2026, 3, 31), (762, 30)),  # 1000 x 9.27 % x 30 / 365 = 7.6191...
        (100_000, "EUR", "9.27", date(2026, 3, 1), (0, 0)),
        (100_000, "EUR", "9.27", date(2026, 2, 1), (0, 0)),
        (100_000, "JPY", "5", date(2026, 3, 11), (137, 10)),  # 136.98...
        (36_500, "EUR", "1", date(2026, 3, 2), (1, 1)),
    ],
)
def test_interest_is_simple_by_days_of_a_year_of_365(
    minor: int, currency: str, percent: str, paid_on: date, charged: tuple[int, int]
) -> None:
    told = interest_minor(minor, currency, percent_a_year=Decimal(percent), due_on=date(2026, 3, 1), paid_on=paid_on)
    assert told == charged
