"""Rows on pages: nothing lost, nothing twice, groups together where they fit, and never a total without a line."""

from hypothesis import given
from hypothesis import strategies as st

from billing.services.documents.rendering.layout import Row, height_of, paginate

FIRST, FOLLOWING = 100.0, 160.0


def row(height: int) -> Row:
    return Row([], space_above=height)


GROUPS = st.lists(st.lists(st.integers(1, 90).map(row), min_size=1, max_size=6), min_size=1, max_size=12)


@given(GROUPS, st.integers(1, 69))
def test_every_row_is_on_one_page_in_order_and_no_page_overflows(groups: list[list[Row]], tail_height: int) -> None:
    tail = [row(tail_height)]
    pages = paginate(groups, tail, first=FIRST, following=FOLLOWING)
    assert [id(item) for page in pages for item in page] == [id(item) for group in [*groups, tail] for item in group]
    assert height_of(pages[0]) <= FIRST
    assert all(0 < height_of(page) <= FOLLOWING for page in pages[1:])


@given(GROUPS, st.integers(1, 69))
def test_the_tail_has_a_row_above_it(groups: list[list[Row]], tail_height: int) -> None:
    tail = [row(tail_height)]
    page = paginate(groups, tail, first=FIRST, following=FOLLOWING)[-1]
    assert page[-1] is tail[0]
    assert len(page) > 1 or len([item for group in groups for item in group]) == 1


@given(GROUPS)
def test_a_group_that_fits_a_page_is_not_cut(groups: list[list[Row]]) -> None:
    pages = paginate(groups, [], first=FIRST, following=FOLLOWING)
    page_of = {id(item): number for number, page in enumerate(pages) for item in page}
    for position, group in enumerate(groups):
        if height_of(group) <= (FOLLOWING if position else FIRST):
            assert len({page_of[id(item)] for item in group}) == 1
