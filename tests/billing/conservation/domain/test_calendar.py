"""The calendar of verification has the days and the periods of docs/algorithms/periods.md."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from billing.conservation.domain.calendar import boundary, day_of, first_instant, months_after
from metering.domain.periods import anchored_span, start_of_day
from tests.algorithm_pages import rows_below

ZONES = ("Europe/Berlin", "Asia/Beirut", "Africa/Cairo", "America/St_Johns", "America/Sao_Paulo", "Asia/Kathmandu")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_days_begin_as_documented() -> None:
    for zone, day, start, _, _ in rows_below("periods", "zone", "day", "start", "end", "hours"):
        if zone != "Pacific/Apia":  # a day that the zone skipped: no subscription begins with it
            assert first_instant(date.fromisoformat(day), ZoneInfo(zone)) == instant(start), (zone, day)


def test_periods_begin_as_documented() -> None:
    for anchor, zone, number, start, _, _ in rows_below("periods", "anchor", "zone", "number", "start", "end", "hours"):
        assert boundary(instant(anchor), int(number), ZoneInfo(zone)) == instant(start), (anchor, number)


@given(st.sampled_from(ZONES), st.dates(date(2000, 1, 1), date(2035, 12, 31)), st.integers(0, 30))
def test_the_product_and_verification_have_the_same_calendar(name: str, day: date, number: int) -> None:
    zone = ZoneInfo(name)
    begins = first_instant(day, zone)
    assert begins == start_of_day(day, name)
    assert day_of(begins, zone) == day
    if begins.astimezone(zone).hour == 0:
        assert boundary(begins, number, zone) == anchored_span(begins, number, name).start


def test_a_period_begins_at_midnight_if_its_first_day_had_none() -> None:
    zone = ZoneInfo("Asia/Beirut")
    anchor = first_instant(date(2026, 3, 29), zone)
    assert anchor.astimezone(zone).hour == 1
    assert boundary(anchor, 1, zone) == datetime(2026, 4, 28, 21, tzinfo=UTC)


def test_a_period_ends_on_the_last_day_of_a_shorter_month() -> None:
    assert [str(months_after(date(2028, 1, 31), number)) for number in (0, 1, 2, 11, 12, 13)] == [
        "2028-01-31", "2028-02-29", "2028-03-31", "2028-12-31", "2029-01-31", "2029-02-28",
    ]  # fmt: skip
