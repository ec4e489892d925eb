"""Times of logs: every form, exactly, and none that is a guess."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.instants import InvalidInstantError
from metering.domain.log_formats.times import looks_like_time, read_log_time

AT = datetime(2015, 5, 17, 10, 5, 3, 123456, tzinfo=UTC)
SECOND = AT.replace(microsecond=0)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("17/May/2015:10:05:03 +0000", SECOND),
        ("[17/May/2015:12:05:03.123456 +0200]", AT),
        ("2015-05-17T10:05:03.123456Z", AT),
        ("2015-05-17 05:05:03,123456-0500", AT),
        (1431857103, SECOND),
        ("1431857103", SECOND),
        ("1431857103.123456", AT),
        (Decimal("1431857103.1234569"), AT),
        (1431857103123, AT.replace(microsecond=123000)),
        ("1431857103123.456", AT),
        (1431857103123456, AT),
        (1431857103123456789, AT),
        (Decimal("1.431857103E9"), SECOND),
    ],
)
def test_a_time_is_read_in_every_form(value: object, at: datetime) -> None:
    assert read_log_time(value) == at
    assert not isinstance(value, str) or looks_like_time(value.strip("[]"))


@pytest.mark.parametrize(
    "value",
    [
        *("", "yesterday", "17/Mai/2015:10:05:03 +0000", "32/May/2015:10:05:03 +0000", "2015-13-17T10:05:03Z"),
        *("17/May/2015:10:05:03", "2015-05-17T10:05:03", "14318571031", "2" * 50, "2015-05-17T25:05:03Z"),
        *(True, None, [], -5, 0, 20, Decimal("1E+999999"), Decimal("NaN"), Decimal("1E-999999")),
    ],
)
def test_what_is_no_certain_time_is_refused(value: object) -> None:
    with pytest.raises(InvalidInstantError):
        read_log_time(value)


def test_a_zone_gives_times_without_an_offset_theirs() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert read_log_time("17/May/2015:12:05:03.123456", berlin) == AT
    assert read_log_time("2015-05-17T10:05:03Z", berlin) == SECOND  # its own offset wins
    first = read_log_time("25/Oct/2015:02:30:00", berlin)
    assert first == datetime(2015, 10, 25, 0, 30, tzinfo=UTC)  # an hour that occurs twice is its first
    with pytest.raises(InvalidInstantError, match="clocks were put forward"):
        read_log_time("29/Mar/2015:02:30:00", berlin)


@given(at=st.datetimes(datetime(2002, 1, 1), datetime(2200, 1, 1)), minutes=st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - made aware in the test
def test_every_form_of_an_instant_is_that_instant(at: datetime, minutes: int) -> None:
    instant = at.replace(tzinfo=UTC)
    microseconds = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    local = (at + timedelta(minutes=minutes)).isoformat(timespec="microseconds")
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    assert read_log_time(local + offset) == instant
    assert read_log_time(microseconds) == read_log_time(Decimal(microseconds) / 10**6) == instant
    assert read_log_time(f"{microseconds // 10**6}.{microseconds % 10**6:06}") == instant
