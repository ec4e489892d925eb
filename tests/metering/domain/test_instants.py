"""Reading instants: which texts are accepted, which are refused, and that no other error is raised."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.instants import InvalidInstantError, read_common_log_time, read_instant

AWARE = st.datetimes(
    datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("9999-12-30"), timezones=st.timezones()
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-21T09:30:00Z", datetime(2026, 11, 21, 9, 30, tzinfo=UTC)),
        ("2026-11-21t09:30:00z", datetime(2026, 11, 21, 9, 30, tzinfo=UTC)),
        ("2026-11-21 09:30:00Z", datetime(2026, 11, 21, 9, 30, tzinfo=UTC)),
        ("2026-11-21T10:30:00+01:00", datetime(2026, 11, 21, 9, 30, tzinfo=UTC)),
        ("2026-11-21T09:30:00.5-00:00", datetime(2026, 11, 21, 9, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-11-21T09:30:00.123456789Z", datetime(2026, 11, 21, 9, 30, 0, 123_456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.25Z", datetime(2017, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_795_253_400_001, datetime(2026, 11, 21, 9, 30, 0, 1000, tzinfo=UTC)),
        (
            datetime(2026, 11, 21, 10, 30, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
        ),
    ],
)
def test_an_instant_is_read_and_comes_back_in_utc(value: object, expected: datetime) -> None:
    instant = read_instant(value)
    assert instant == expected
    assert instant.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-11-21T09:30:00",
        "2026-11-21",
        "20261121T093000Z",
        "2026-W47-6T09:30:00Z",
        "2026-11-21T09:30Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T23:60:00Z",
        "2026-11-21T09:30:61Z",
        "2026-02-29T09:30:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:60Z",
        "2026-11-21T09:30:00+24:00",
        "2026-11-21T09:30:00+0100",
        "2026-11-21T09:30:00Z ",
        "2026-11-21T09:30:00Z\n",
        "२०२६-11-21T09:30:00Z",
        "2026-11-21T09:30:00." + "1" * 100 + "Z",
        "1795253400000",
        -1,
        10**18,
        10**400,
        True,
        None,
        1.5,
        [],
    ],
)
def test_text_that_is_no_instant_is_refused(value: object) -> None:
    with pytest.raises(InvalidInstantError):
        read_instant(value)


def test_the_refusal_of_a_time_without_an_offset_names_the_offset() -> None:
    with pytest.raises(InvalidInstantError, match="offset"):
        read_instant("2026-11-21T09:30:00")


@given(instant=AWARE)
def test_an_instant_that_python_writes_is_read_back(instant: datetime) -> None:
    offset = instant.utcoffset()
    assert offset is not None
    if offset % timedelta(minutes=1):  # RFC 3339 has no offsets of seconds.
        return
    assert read_instant(instant.isoformat()) == instant.astimezone(UTC)


@pytest.mark.parametrize(
    "text", ["17/May/2015:10:05:03 +0000", "[17/May/2015:12:05:03 +0200]", "[17/May/2015:04:35:03 -0530]"]
)
def test_the_time_of_an_access_log_is_read(text: str) -> None:
    assert read_common_log_time(text) == datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17/Mai/2015:10:05:03 +0000",
        "32/May/2015:10:05:03 +0000",
        "17/May/2015:24:05:03 +0000",
        "17/May/2015:10:05:03",
        "17/May/2015:10:05:03 +9900",
        "01/Jan/0001:00:00:00 +0100",
        "17/May/2015:10:05:03 +0000" + " " * 99,
    ],
)
def test_text_that_is_no_time_of_an_access_log_is_refused(text: str) -> None:
    with pytest.raises(InvalidInstantError):
        read_common_log_time(text)


def test_a_leap_second_in_an_access_log_is_the_next_minute() -> None:
    assert read_common_log_time("31/Dec/2016:23:59:60 +0000") == datetime(2017, 1, 1, tzinfo=UTC)


def instant_or_none(read: Callable[[], datetime]) -> datetime | None:
    try:
        return read()
    except InvalidInstantError:
        return None


@given(value=st.text() | st.integers() | st.booleans() | st.none() | st.lists(st.integers()))
def test_any_text_is_an_instant_or_refused(value: object) -> None:
    for found in (
        instant_or_none(lambda: read_instant(value)),
        instant_or_none(lambda: read_common_log_time(str(value))),
    ):
        assert found is None or found.utcoffset() == timedelta(0)
