"""Periods: the worked examples of docs/algorithms/periods.md, and that spans tile time in every zone."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.periods import (
    Period,
    Span,
    YearMonth,
    anchored_span,
    calendar_days,
    day_span,
    days_between,
    days_of,
    is_in_reach,
    is_known_zone,
    last_24_hours,
    local_day,
    month_span,
    span_of,
    start_of_day,
    start_of_hour,
)
from tests.algorithm_pages import rows_below


def instants(first_year: int, last_year: int) -> st.SearchStrategy[datetime]:
    start, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year, 1, 1, tzinfo=UTC)
    return st.timedeltas(timedelta(0), end - start).map(lambda passed: start + passed)


ZONES = st.sampled_from(sorted(zone for zone in available_timezones() if is_known_zone(zone)))
INSTANTS = instants(1971, 2060)
DAYS = st.dates(date(1971, 1, 1), date(2060, 1, 1))
HOUR = timedelta(hours=1)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def hours(text: str) -> timedelta:
    return HOUR * float(text)


def test_days_are_as_documented() -> None:
    for zone, day, start, end, length in rows_below("periods", "zone", "day", "start", "end", "hours"):
        span = day_span(date.fromisoformat(day), zone)
        assert span == Span(instant(start), instant(end))
        assert span.end - span.start == hours(length)


def test_months_are_as_documented() -> None:
    for zone, text, start, end, length in rows_below("periods", "zone", "month", "start", "end", "hours"):
        month = YearMonth.parse(text)
        assert month is not None
        assert month.isoformat() == text
        assert month_span(month, zone) == Span(instant(start), instant(end))
        assert instant(end) - instant(start) == hours(length)


def test_the_day_of_an_instant_is_as_documented() -> None:
    for zone, text, clocks, day in rows_below("periods", "zone", "instant", "clocks show", "day"):
        assert f"{instant(text).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" == clocks
        assert local_day(instant(text), zone) == date.fromisoformat(day)


def test_anchored_periods_are_as_documented() -> None:
    columns = ("anchor", "zone", "number", "start", "end", "hours")
    for anchor, zone, number, start, end, length in rows_below("periods", *columns):
        span = anchored_span(instant(anchor), int(number), zone)
        assert span == Span(instant(start), instant(end))
        assert span.end - span.start == hours(length)


@given(day=DAYS, zone=ZONES)
def test_days_tile_time_and_begin_where_the_calendar_says(day: date, zone: str) -> None:
    span, next_span = day_span(day, zone), day_span(day + timedelta(days=1), zone)
    assert span.start <= span.end == next_span.start
    assert timedelta(0) <= span.end - span.start <= timedelta(hours=48)
    just_before = span.start - timedelta(microseconds=1)
    assert span.start.astimezone(ZoneInfo(zone)).date() >= day
    assert just_before.astimezone(ZoneInfo(zone)).date() < day


@given(moment=INSTANTS, zone=ZONES)
def test_an_instant_is_in_its_own_day_and_month_and_in_no_other(moment: datetime, zone: str) -> None:
    day = local_day(moment, zone)
    assert day_span(day, zone).contains(moment)
    assert not day_span(day + timedelta(days=1), zone).contains(moment)
    assert not day_span(day - timedelta(days=1), zone).contains(moment)
    assert span_of(Period.DAY, moment, zone) == day_span(day, zone)
    assert span_of(Period.MONTH, moment, zone).contains(moment)


def test_the_worked_periods_of_quotas() -> None:
    for period, anchor, day, first, end in rows_below("periods", "period", "anchor", "day", "first day", "next"):
        anchor_on = None if anchor == "-" else date.fromisoformat(anchor)
        expected = date.fromisoformat(first), date.fromisoformat(end)
        assert days_of(Period(period), date.fromisoformat(day), anchor_on) == expected, (period, day)


@given(
    day=st.dates(date(1980, 1, 1), date(2060, 1, 1)),
    anchor_on=st.none() | st.dates(date(1990, 1, 1), date(2050, 1, 1)),
    period=st.sampled_from(Period),
)
def test_the_periods_of_quotas_tile_the_days(day: date, anchor_on: date | None, period: Period) -> None:
    first, end = days_of(period, day, anchor_on)
    assert first <= day < end
    assert days_of(period, first, anchor_on) == days_of(period, end - timedelta(days=1), anchor_on) == (first, end)
    assert days_of(period, end, anchor_on)[0] == end
    if period is Period.WEEK:
        assert (first.weekday(), (end - first).days) == (0, 7)
    if period is Period.MONTH or (period is Period.BILLING and anchor_on is None):
        assert (first.day, YearMonth.of(first)) == (1, YearMonth.of(day))


@given(anchor_on=st.dates(date(2000, 1, 1), date(2040, 1, 1)), zone=ZONES, index=st.integers(-100, 100))
def test_a_quota_s_billing_period_is_that_of_the_subscription(anchor_on: date, zone: str, index: int) -> None:
    billed = anchored_span(start_of_day(anchor_on, zone), index, zone)
    assert span_of(Period.BILLING, billed.start, zone, anchor_on) == billed


@given(moment=instants(2012, 2037), zone=ZONES)
def test_since_2012_the_day_is_the_date_on_the_clocks(moment: datetime, zone: str) -> None:
    assert local_day(moment, zone) == moment.astimezone(ZoneInfo(zone)).date()


@given(year=st.integers(1971, 2060), month=st.integers(1, 12), zone=ZONES)
def test_a_month_is_its_days(year: int, month: int, zone: str) -> None:
    span = month_span(YearMonth(year, month), zone)
    days = days_between(span.start, span.end, zone)
    assert days[0] == date(year, month, 1)
    assert day_span(days[0], zone).start == span.start
    assert day_span(days[-1], zone).end == span.end
    assert all(YearMonth.of(day) == (year, month) for day in days)
    assert month_span(YearMonth(year, month).plus(1), zone).start == span.end


@given(anchor=INSTANTS, zone=ZONES, index=st.integers(-200, 200))
def test_billing_periods_tile_and_never_drift_from_the_anchor(anchor: datetime, zone: str, index: int) -> None:
    span, next_span = anchored_span(anchor, index, zone), anchored_span(anchor, index + 1, zone)
    assert span.start < span.end == next_span.start
    if index == 0:
        assert span.start == anchor
    wanted, came = (moment.astimezone(ZoneInfo(zone)) for moment in (anchor, span.start))
    is_last_of_month = (came + timedelta(days=1)).day == 1
    was_moved_by_a_jump = came.time() != wanted.time()
    assert came.day == wanted.day or (is_last_of_month and came.day < wanted.day) or was_moved_by_a_jump


def test_a_period_begins_before_an_hour_that_is_repeated_over_a_month_s_end() -> None:
    first_of_july = datetime(2009, 7, 1, 2, 30, tzinfo=UTC)
    clocks_went_back = datetime(2009, 11, 1, 2, 45, tzinfo=UTC)
    assert f"{clocks_went_back.astimezone(ZoneInfo('America/St_Johns')):%Y-%m-%d %H:%M}" == "2009-10-31 23:15"
    november = anchored_span(first_of_july, 4, "America/St_Johns")
    assert november.start == datetime(2009, 11, 1, 2, 30, tzinfo=UTC)
    assert november.contains(clocks_went_back)


def test_an_anchor_in_a_repeated_hour_is_kept_to_the_instant() -> None:
    second_half_past_two = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert anchored_span(second_half_past_two, 0, "Europe/Berlin").start == second_half_past_two
    a_year_later = anchored_span(second_half_past_two, 12, "Europe/Berlin").start
    assert a_year_later == datetime(2027, 10, 25, 0, 30, tzinfo=UTC)


def test_a_boundary_in_a_skipped_hour_moves_by_the_jump() -> None:
    half_past_two = datetime(2026, 2, 28, 1, 30, tzinfo=UTC)
    anchor = half_past_two.replace(month=1, day=29)
    assert anchored_span(anchor, 2, "Europe/Berlin").start == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@given(start=INSTANTS, length=st.timedeltas(timedelta(0), timedelta(days=60)), zone=ZONES)
def test_the_days_between_two_instants_cover_them(start: datetime, length: timedelta, zone: str) -> None:
    end = start + length
    days = days_between(start, end, zone)
    if start == end:
        assert days == []
        return
    assert day_span(days[0], zone).contains(start)
    assert day_span(days[-1], zone).contains(end - timedelta(microseconds=1))
    for day, following in pairwise(days):
        assert day_span(day, zone).end == day_span(following, zone).start


def test_a_day_that_was_skipped_is_not_listed() -> None:
    span = month_span(YearMonth(2011, 12), "Pacific/Apia")
    days = days_between(span.start, span.end, "Pacific/Apia")
    assert len(days) == 30
    assert date(2011, 12, 30) not in days


def test_calendar_days_leave_out_the_end() -> None:
    assert calendar_days(date(2026, 2, 27), date(2026, 3, 1)) == [date(2026, 2, 27), date(2026, 2, 28)]
    assert calendar_days(date(2026, 3, 1), date(2026, 3, 1)) == []


@given(as_of=INSTANTS)
def test_the_last_24_hours_end_with_the_running_one(as_of: datetime) -> None:
    spans = last_24_hours(as_of)
    assert len(spans) == 24
    assert spans[-1].contains(as_of)
    assert spans[-1].start == start_of_hour(as_of)
    assert all(span.end - span.start == HOUR for span in spans)
    assert all(span.end == following.start for span, following in pairwise(spans))


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-1", "0001-01", "9999-12", "२०२६-01", "2026-11 "]
)
def test_text_that_is_no_month_is_refused(text: str) -> None:
    assert YearMonth.parse(text) is None


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "localtime", "Factory", "../etc/passwd", "europe/berlin", "UTC\0"]
)
def test_an_unknown_zone_is_reported(name: str) -> None:
    assert not is_known_zone(name)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "a\0"])
def test_computing_with_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        start_of_day(date(2026, 1, 1), name)


def test_the_ends_of_the_calendar_are_out_of_reach() -> None:
    assert not is_in_reach(date.min)
    assert not is_in_reach(date.max)
    assert is_in_reach(date(2, 1, 1))
    assert day_span(date(9998, 12, 31), "Pacific/Kiritimati").end > day_span(date(2, 1, 1), "Etc/GMT+12").start
