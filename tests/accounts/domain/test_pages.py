"""Pages by position: every row once, in order, forwards and backwards, whatever the sizes."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.pages import (
    InvalidCursorError,
    Page,
    PageRequest,
    RowPosition,
    cut_page,
    read_cursor,
    write_cursor,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
Row = tuple[datetime, str]


def position_of(row: Row) -> RowPosition:
    return RowPosition(*row)


def read(rows: list[Row], request: PageRequest) -> Page[Row]:
    """Read a page of a list as a selector reads one of a table."""
    ordered = sorted(rows, reverse=not request.is_backwards)
    if request.position is not None:
        edge = (request.position.at, request.position.id)
        ordered = [row for row in ordered if (row > edge if request.is_backwards else row < edge)]
    return cut_page(ordered[: request.rows_to_read], request, position_of)


table = st.lists(
    st.tuples(st.integers(0, 3).map(lambda n: START + timedelta(seconds=n)), st.text(max_size=3)),
    unique=True,
    max_size=25,
)


@given(rows=table, rows_max=st.integers(1, 6))
def test_walking_there_and_back_shows_every_row_once(rows: list[Row], rows_max: int) -> None:
    pages = [read(rows, PageRequest(rows_max))]
    while pages[-1].next:
        pages.append(read(rows, pages[-1].next))
    assert [row for page in pages for row in page.rows] == sorted(rows, reverse=True)
    assert pages[0].previous is None
    back = pages[-1:]
    while back[-1].previous:
        back.append(read(rows, back[-1].previous))
    assert [page.rows for page in back] == [page.rows for page in reversed(pages)]
    assert all(page.next for page in back[1:])


def test_a_row_that_comes_in_meanwhile_moves_nothing() -> None:
    rows = [(START + timedelta(seconds=n), "") for n in range(4)]
    first = read(rows, PageRequest(2))
    assert first.next is not None
    second = read([*rows, (START + timedelta(seconds=9), "")], first.next)
    assert [*first.rows, *second.rows] == sorted(rows, reverse=True)


def test_a_page_beyond_the_end_is_empty_and_has_no_neighbours() -> None:
    assert read([], PageRequest(2, RowPosition(START, ""))) == Page((), None, None)


@given(
    at=st.datetimes(timezones=st.just(UTC)),
    row_id=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60),
    backwards=st.booleans(),
)
def test_a_cursor_reads_back_what_was_written(at: datetime, row_id: str, backwards: bool) -> None:
    request = PageRequest(7, RowPosition(at, row_id), is_backwards=backwards)
    assert read_cursor(write_cursor(request), rows_max=7) == request


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda noise: noise.hex()))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        read_cursor(text, rows_max=1)
    except InvalidCursorError:
        return


@pytest.mark.parametrize(
    "facts",
    [
        "[]",
        "{}",
        '["n","2026-01-01T00:00:00","x"]',
        '["z","2026-01-01T00:00:00Z","x"]',
        '["n","2026-01-01T00:00:00Z",1]',
        '["n","2026-01-01T00:00:00Z","\\u0000"]',
        '["n",1,"x"]',
        "[" * 200,
    ],
)
def test_a_forged_cursor_is_refused(facts: str) -> None:
    with pytest.raises(InvalidCursorError):
        read_cursor(urlsafe_b64encode(facts.encode()).decode(), rows_max=1)
    with pytest.raises(InvalidCursorError):
        read_cursor("A" * 1001, rows_max=1)
