"""Counting identical lines exactly, whatever their order."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from metering.gateways.line_occurrences import OccurrenceCounter

NOON = datetime(2015, 5, 17, 12, tzinfo=UTC)


@given(lines=st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c\n", b""]), st.integers(-3, 3)), max_size=60))
def test_each_identical_line_gets_its_own_number(lines: list[tuple[bytes, int]]) -> None:
    seen: Counter[tuple[bytes, int]] = Counter()
    with OccurrenceCounter() as counter:
        for line, second in lines:
            seen[line, second] += 1
            assert counter.count(line, NOON + timedelta(seconds=second)) == seen[line, second]


def test_the_line_ending_is_no_part_of_the_line() -> None:
    with OccurrenceCounter() as counter:
        assert [counter.count(line, NOON) for line in (b"a\n", b"a\r\n", b"a")] == [1, 2, 3]


def test_each_file_is_counted_separately() -> None:
    with OccurrenceCounter() as one, OccurrenceCounter() as other:
        assert (one.count(b"a", NOON), one.count(b"a", NOON), other.count(b"a", NOON)) == (1, 2, 1)


def test_a_line_that_comes_back_long_after_is_still_known() -> None:
    with OccurrenceCounter() as counter:
        for number in range(20_000):
            assert counter.count(b"line %d" % number, NOON + timedelta(seconds=number)) == 1
        assert counter.count(b"line 0", NOON) == 2
        assert counter.count(b"line 10000", NOON + timedelta(seconds=10_000)) == 2


def test_only_lines_long_before_the_last_one_are_forgotten() -> None:
    with OccurrenceCounter() as counter:
        for minutes in (0, 30, 90):
            counter.count(b"a", NOON + timedelta(minutes=minutes))
        counter.forget_before_last(timedelta(hours=1))
        assert [counter.count(b"a", NOON + timedelta(minutes=minutes)) for minutes in (0, 30, 90)] == [1, 2, 2]
