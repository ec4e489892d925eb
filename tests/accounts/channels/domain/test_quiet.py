"""Quiet hours and digests keep to the clocks of their zone, also when those are moved."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.channels.domain.quiet import QuietHours, instant_of, next_digest_at

PARIS = ZoneInfo("Europe/Paris")
ZONES = st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]).map(
    ZoneInfo
)
MINUTES = st.integers(0, 1439).map(lambda number: time(number // 60, number % 60))
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-10T21:59", "2026-03-10T21:59"),
        ("2026-03-10T22:00", "2026-03-11T07:00"),
        ("2026-03-11T06:59", "2026-03-11T07:00"),
        ("2026-03-11T07:00", "2026-03-11T07:00"),
        ("2026-03-28T23:00", "2026-03-29T07:00"),  # the clocks go forward in this night
        ("2026-10-24T23:00", "2026-10-25T07:00"),  # and back in this one
    ],
)
def test_a_night_is_quiet_until_its_morning(now: str, until: str) -> None:
    assert QuietHours(time(22), time(7)).over_at(at(now), PARIS) == at(until)


def test_a_span_within_the_day_is_quiet_in_it_alone() -> None:
    noon = QuietHours(time(12), time(14))
    assert noon.over_at(at("2026-03-10T13:00"), PARIS) == at("2026-03-10T14:00")
    assert noon.over_at(at("2026-03-10T23:00"), PARIS) == at("2026-03-10T23:00")


def test_an_end_that_a_change_of_clocks_leaves_out_comes_an_hour_later_by_the_clock() -> None:
    assert instant_of(datetime(2026, 3, 29, tzinfo=PARIS).date(), time(2, 30), PARIS) == at("2026-03-29T03:30")


def test_in_the_second_pass_of_a_repeated_hour_the_end_is_that_of_this_pass() -> None:
    again = datetime(2026, 10, 25, 2, 10, tzinfo=PARIS, fold=1).astimezone(UTC)
    until = QuietHours(time(1), time(2, 30)).over_at(again, PARIS)
    assert until - again == timedelta(minutes=20)


@given(MINUTES, MINUTES, INSTANTS, ZONES)
def test_what_is_quiet_ends_within_a_day_and_a_bit_and_never_before_it_began(
    begins: time, ends: time, now: datetime, zone: ZoneInfo
) -> None:
    if begins != ends:
        until = QuietHours(begins, ends).over_at(now, zone)
        assert timedelta(0) <= until - now <= timedelta(hours=26)
        assert until == now or QuietHours(begins, ends).over_at(until, zone) - until <= timedelta(hours=2)


@given(MINUTES, INSTANTS, ZONES)
def test_there_is_one_digest_on_each_day_of_the_calendar(wall: time, now: datetime, zone: ZoneInfo) -> None:
    first = next_digest_at(now, wall, zone)
    second = next_digest_at(first, wall, zone)
    assert now < first
    assert first - now <= timedelta(hours=26)
    assert second.astimezone(zone).date() - first.astimezone(zone).date() == timedelta(days=1)


def test_digests_come_once_on_the_days_on_which_clocks_are_moved() -> None:
    for day in ("2026-03-29", "2026-10-25"):
        first = next_digest_at(at(f"{day}T00:00"), time(2, 30), PARIS)
        assert next_digest_at(first, time(2, 30), PARIS).astimezone(PARIS).date() > first.astimezone(PARIS).date()
