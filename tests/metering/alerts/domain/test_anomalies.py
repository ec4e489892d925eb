"""Judgements of usage: the page's examples, and what must hold at clocks' changes, incidents and new keys."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from metering.alerts.domain.anomalies import (
    Accepted,
    Anomaly,
    AnomalyRules,
    History,
    Pattern,
    Use,
    expected_of_day,
    expected_of_hour,
    judge_day,
    judge_hour,
    judge_key_day,
    judge_silence,
    weeks_before,
)
from metering.domain.periods import local_day
from tests.algorithm_pages import rows_below
from tests.metering.alerts.anomaly_world import DAY, HOUR, MONDAY, WEEK, history

RULES = AnomalyRules()
NOON = MONDAY + 12 * HOUR


def judged(days: int, zone: str, start: datetime, hours: int, each: int, as_of: datetime) -> Anomaly | None:
    changed = {start + n * HOUR: each for n in range(hours)}
    end = start + hours * HOUR
    known = history(days, until=start, changed=changed, zone=zone)
    day = local_day(start, zone)
    of_hours = [judge_hour(known, start + n * HOUR, rules=RULES) for n in range(hours)]
    of_day = judge_day(known, day, rules=RULES) if local_day(as_of, zone) > day else None
    silence = judge_silence(known, as_of, rules=RULES)
    assert end <= as_of
    return next((one for one in [*of_hours, of_day, silence] if one), None)


def test_what_is_unusual_is_as_documented() -> None:
    columns = ("days known", "zone", "changed from", "hours", "each", "judged at", "found", "quantity", "expected")
    for days, zone, start, hours, each, at, *expected in rows_below("anomalies", *columns):
        found = judged(
            int(days), zone, datetime.fromisoformat(start), int(hours), int(each), datetime.fromisoformat(at)
        )
        shown = [found.pattern, f"{found.quantity:f}", f"{found.expected:f}"] if found else ["nothing", "", ""]
        assert shown == expected, (days, start, each)


@pytest.mark.parametrize(
    ("hour", "zone", "before"),
    [
        (datetime(2026, 3, 30, 7, tzinfo=UTC), "Europe/Berlin", datetime(2026, 3, 23, 8, tzinfo=UTC)),
        (datetime(2026, 10, 26, 8, tzinfo=UTC), "Europe/Berlin", datetime(2026, 10, 19, 7, tzinfo=UTC)),
        (datetime(2026, 4, 5, 1, tzinfo=UTC), "Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (datetime(2026, 3, 30, 7, tzinfo=UTC), "Asia/Kolkata", datetime(2026, 3, 23, 7, tzinfo=UTC)),
        (datetime(2026, 4, 6, 3, tzinfo=UTC), "Australia/Lord_Howe", datetime(2026, 3, 30, 2, tzinfo=UTC)),
    ],
)
def test_weeks_are_counted_on_the_clocks_of_the_zone(hour: datetime, zone: str, before: datetime) -> None:
    assert weeks_before(hour, 1, zone) == before


def test_one_incident_in_the_weeks_before_neither_hides_the_next_nor_raises_what_is_expected() -> None:
    incident = {NOON - WEEK + n * HOUR: 90_000 for n in range(-3, 4)}
    known = history(36, until=NOON, changed={**incident, NOON: 700})
    assert expected_of_hour(known, NOON) == 100
    assert judge_hour(known, NOON, rules=RULES) == Anomaly(Pattern.SPIKE, NOON, NOON + HOUR, Decimal(700), Decimal(100))


@pytest.mark.parametrize("days_ago", [[1, 2], [3, 20], [28], [31]])
def test_a_level_that_came_before_is_no_news(days_ago: list[int]) -> None:
    before = {NOON - days * DAY + HOUR: 700 for days in days_ago}
    known = history(36, until=NOON, changed={**before, NOON: 1000})
    assert judge_hour(known, NOON, rules=RULES) is None
    assert judge_hour(known, NOON, rules=AnomalyRules(recurring_share=Decimal(1))) is not None


def test_a_sparse_meter_is_not_judged() -> None:
    hours = {NOON - n * DAY: Use(Decimal(1), 1) for n in range(1, 36)}
    known = History({**hours, NOON: Use(Decimal(19), 19)}, "UTC", NOON - 35 * DAY)
    assert judge_hour(known, NOON, rules=RULES) is None
    assert judge_hour(known, NOON, rules=AnomalyRules(events_min=19)) is not None
    assert judge_hour(known, NOON + HOUR, rules=RULES) is None
    assert expected_of_hour(known, NOON - 30 * DAY) is None


@pytest.mark.parametrize(
    ("start", "each", "hours", "accepted", "is_told"),
    [
        (NOON, 700, 1, Accepted(high=Decimal(560)), False),
        (NOON, 701, 1, Accepted(high=Decimal(560)), True),
        (MONDAY, 120, 24, Accepted(high=Decimal(2304)), False),
        (MONDAY, 120, 24, Accepted(high=Decimal(2303)), True),
        (MONDAY, 10, 24, Accepted(low=Decimal(300)), False),
        (MONDAY, 10, 24, Accepted(low=Decimal(301)), True),
        (NOON, 0, 5, Accepted(is_silence=True), False),
        (NOON, 0, 5, Accepted(high=Decimal(9000), low=Decimal(0)), True),
    ],
)
def test_a_level_that_was_called_fine_is_expected(
    start: datetime, each: int, hours: int, accepted: Accepted, is_told: bool
) -> None:
    known = history(36, until=start, changed={start + n * HOUR: each for n in range(hours)})
    found = [
        judge_hour(known, start, rules=RULES, accepted=accepted),
        judge_day(known, start.date(), rules=RULES, accepted=accepted) if hours == 24 else None,
        judge_silence(known, start + hours * HOUR, rules=RULES, accepted=accepted),
    ]
    assert any(found) is is_told


def days_of(number: int, quantity: int, *, today: int) -> dict[date, Use]:
    days = {(MONDAY - n * DAY).date(): Use(Decimal(quantity), quantity) for n in range(1, number + 1)}
    return days | {MONDAY.date(): Use(Decimal(today), today)}


@pytest.mark.parametrize(
    ("number", "today", "usual_day", "is_told"),
    [
        (35, 500, 2000, True),
        (35, 499, 2000, False),
        (35, 500, 2001, False),
        (20, 750, 2000, True),
        (20, 749, 2000, False),
        (13, 9000, 2000, False),
        (0, 9000, 2000, False),
        (35, 0, 2000, False),
    ],
)
def test_a_key_is_judged_by_its_own_weekdays_and_the_meters_day(
    number: int, today: int, usual_day: int, is_told: bool
) -> None:
    found = judge_key_day(
        days_of(number, 100, today=today), MONDAY.date(), zone="UTC", usual_day=Decimal(usual_day), rules=RULES
    )
    assert (found is not None) is is_told
    if found:
        assert (found.window_start, found.window_end, found.expected) == (MONDAY, MONDAY + DAY, 100)


def test_a_key_whose_level_recurs_or_is_accepted_is_no_news() -> None:
    days = days_of(35, 100, today=500)
    twice = days | {(MONDAY - n * DAY).date(): Use(Decimal(400), 400) for n in (3, 4)}
    for some, accepted in ((twice, None), (days, Accepted(high=Decimal(400)))):
        assert not judge_key_day(
            some, MONDAY.date(), zone="UTC", usual_day=Decimal(900), rules=RULES, accepted=accepted
        )


def test_uneven_days_need_a_larger_distance() -> None:
    days = [MONDAY - (n + 1) * DAY for n in range(36)]
    uneven = {day + 12 * HOUR: (10_000 if n % 3 else 20_000) for n, day in enumerate(days)}
    tripled = {MONDAY + n * HOUR: 1400 for n in range(24)}
    for changed, is_told in ((tripled, True), ({**uneven, **tripled}, False)):
        found = judge_day(history(36, until=MONDAY, changed=changed), MONDAY.date(), rules=RULES)
        assert (found is not None) is is_told


def test_days_without_usage_or_expectation_are_left_to_silence() -> None:
    gap = {MONDAY + n * HOUR: 0 for n in range(24)}
    assert judge_day(history(36, until=MONDAY, changed=gap), MONDAY.date(), rules=RULES) is None
    empty = {MONDAY - n * HOUR: 0 for n in range(1, 36 * 24)}
    only = history(36, until=MONDAY + HOUR, changed=empty)
    assert judge_day(only, MONDAY.date(), rules=RULES) is None
    assert judge_silence(History({}, "UTC", MONDAY), MONDAY, rules=RULES) is None


def test_silence_is_not_told_after_a_week_nor_if_two_weeks_were_silent_before() -> None:
    known = history(36, until=NOON)
    assert judge_silence(known, NOON + 7 * DAY, rules=RULES) is not None
    assert judge_silence(known, NOON + 7 * DAY + HOUR, rules=RULES) is None
    for weeks, is_told in ((1, True), (2, False)):
        quiet = {NOON - week * WEEK + n * HOUR: 0 for week in range(1, weeks + 1) for n in range(6)}
        found = judge_silence(history(36, until=NOON, changed=quiet), NOON + 6 * HOUR, rules=RULES)
        assert (found is not None) is is_told


def test_a_day_is_expected_to_be_the_median_of_its_weekday() -> None:
    days = days_of(28, 100, today=0) | {(MONDAY - DAY).date(): Use(Decimal(900), 900)}
    assert expected_of_day(days, MONDAY.date()) == 100
    assert expected_of_day(days_of(13, 100, today=5), MONDAY.date()) is None
    assert expected_of_day({}, MONDAY.date()) is None
