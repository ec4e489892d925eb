"""Which pieces of a span are read from the lake."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from metering.lake.domain.pieces import Piece, pieces_of
from metering.lake.domain.questions import Range

MARCH, APRIL, JUNE = date(2026, 3, 1), date(2026, 4, 1), date(2026, 6, 1)


def at(month: int, day: int = 1) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC)


def test_months_that_follow_one_another_are_one_piece() -> None:
    assert pieces_of(Range(), [MARCH, APRIL, JUNE]) == [
        Piece(Range(None, at(3)), is_in_lake=False),
        Piece(Range(at(3), at(5)), is_in_lake=True),
        Piece(Range(at(5), at(6)), is_in_lake=False),
        Piece(Range(at(6), at(7)), is_in_lake=True),
        Piece(Range(at(7), None), is_in_lake=False),
    ]
    assert pieces_of(Range(at(3, 10), at(3, 20)), [MARCH]) == [Piece(Range(at(3, 10), at(3, 20)), is_in_lake=True)]
    assert pieces_of(Range(at(5), at(6)), [MARCH]) == [Piece(Range(at(5), at(6)), is_in_lake=False)]
    assert pieces_of(Range(), []) == [Piece(Range(), is_in_lake=False)]


@given(
    start=st.timedeltas(min_value=at(1) - at(1), max_value=at(12) - at(1)).map(lambda after: at(1) + after),
    length=st.timedeltas(min_value=at(1, 2) - at(1), max_value=at(12) - at(1)),
    months=st.sets(st.sampled_from([date(year, month, 1) for year in (2026, 2027) for month in range(1, 13)])),
)
def test_pieces_make_up_the_span_without_a_gap(start: datetime, length: timedelta, months: set[date]) -> None:
    end = start + length
    pieces = pieces_of(Range(start, end), sorted(months))
    assert [pieces[0].span.start, pieces[-1].span.end] == [start, end]
    for before, after in pairwise(pieces):
        assert before.span.end == after.span.start
        assert before.is_in_lake != after.is_in_lake
    for piece in pieces:
        assert piece.span.start is not None
        assert (piece.span.start.date().replace(day=1) in months) == piece.is_in_lake
