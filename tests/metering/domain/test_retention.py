"""Which months are deleted, and from which instant a ledger is read from its events instead of sealed rollups."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.periods import local_day, start_of_day
from metering.domain.retention import (
    ALWAYS_KEPT,
    MONTHS_LEAST,
    SEAM,
    first_month_kept,
    is_out_of_reach,
    month_after,
    month_start,
    seam_after,
)

ZONES = st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
MONTHS = st.dates(date(2020, 1, 1), date(2040, 1, 1)).map(lambda day: day.replace(day=1))


@pytest.mark.parametrize(
    ("as_of", "months", "first"),
    [
        (datetime(2026, 11, 30, 23, tzinfo=UTC), 13, date(2025, 10, 1)),
        (datetime(2026, 8, 1, tzinfo=UTC), 4, date(2026, 4, 1)),
        (datetime(2026, 1, 31, tzinfo=UTC), 4, date(2025, 9, 1)),
    ],
)
def test_whole_months_are_retained(as_of: datetime, months: int, first: date) -> None:
    assert first_month_kept(as_of, months) == first


@given(MONTHS, ZONES)
def test_a_seam_is_a_local_midnight_within_a_day_after_the_month(month: date, zone: str) -> None:
    seam = seam_after(month, zone)
    assert seam.hours_from == month_start(month_after(month))
    assert timedelta() <= seam.days_since - seam.hours_from < timedelta(days=1, hours=1)
    assert start_of_day(seam.days_from, zone) == seam.days_since


@given(MONTHS, ZONES, ZONES)
def test_no_event_behind_the_seams_days_is_of_a_sealed_day_in_any_zone(month: date, zone: str, new_zone: str) -> None:
    seam = seam_after(month, zone)
    assert local_day(seam.hours_from + SEAM, new_zone) >= seam.days_from


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)))
def test_events_too_young_to_close_are_in_no_closable_month(day: date) -> None:
    as_of = datetime.combine(day, time(), UTC)
    assert month_start(first_month_kept(as_of, MONTHS_LEAST)) + SEAM <= as_of - ALWAYS_KEPT


def test_a_long_event_window_keeps_a_month_open() -> None:
    as_of = datetime(2026, 8, 2, tzinfo=UTC)
    assert is_out_of_reach(date(2026, 3, 1), as_of, 35)
    assert not is_out_of_reach(date(2026, 3, 1), as_of, 120)
