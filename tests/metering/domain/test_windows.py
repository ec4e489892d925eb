from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.periods import Span, local_day
from metering.domain.windows import Window, is_start_of_day, is_start_of_hour, window_starts, windows_at_most

ZONES = [
    "UTC",
    "Asia/Kolkata",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Asia/Beirut",
]
instants = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001 - made aware


@given(window=st.sampled_from(Window), zone=st.sampled_from(ZONES), start=instants, hours=st.integers(1, 3000))
def test_windows_tile_the_span(window: Window, zone: str, start: datetime, hours: int) -> None:
    span = Span(start, start + timedelta(hours=hours, seconds=7))
    starts = window_starts(window, span, zone)
    assert starts[0] <= span.start
    assert starts[-1] < span.end
    assert all(earlier < later for earlier, later in pairwise(starts))
    assert all(later > span.start for later in starts[1:]), "only the first may begin before the span"
    if window is Window.HOUR:
        assert all(later - earlier == timedelta(hours=1) for earlier, later in pairwise(starts))
        assert is_start_of_hour(starts[0])
    else:
        assert all(is_start_of_day(start, zone) for start in starts)
    if window is Window.MONTH:
        assert all(local_day(start, zone).day == 1 for start in starts)


@pytest.mark.parametrize("window", Window)
def test_an_empty_span_has_no_windows(window: Window) -> None:
    at = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
    assert window_starts(window, Span(at, at), "UTC") == []


def test_an_instant_within_a_window_is_no_start() -> None:
    assert not is_start_of_hour(datetime(2026, 3, 1, 0, 30, tzinfo=UTC))
    assert not is_start_of_day(datetime(2026, 3, 1, 0, 30, tzinfo=UTC), "Europe/Berlin")
    assert is_start_of_day(datetime(2026, 3, 1, 18, 30, tzinfo=UTC), "Asia/Kolkata")


@given(window=st.sampled_from(Window), zone=st.sampled_from(ZONES), start=instants, hours=st.integers(0, 3000))
def test_the_number_of_windows_is_bounded(window: Window, zone: str, start: datetime, hours: int) -> None:
    span = Span(start, start + timedelta(hours=hours))
    assert len(window_starts(window, span, zone)) <= windows_at_most(window, span)
