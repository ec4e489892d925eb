"""Rows on pages: none lost, none twice, groups kept together if they fit, and never a total without a line."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from billing.rendering.services.fonts import Style, width_of
from billing.rendering.services.layout import GAP, RIGHT, Row, columns_for, height_of, paginate

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
def test_a_total_has_a_row_above_it_on_its_page(groups: list[list[Row]], tail_height: int) -> None:
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


BODY, SMALL = Style(18), Style(15)
NUMBERS = st.integers(0, 10**28).map(lambda number: f"{number:,}")


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=4))
def test_columns_do_not_touch_and_reach_the_right_margin(rows: list[tuple[str, str, str]]) -> None:
    columns = columns_for([[(text, BODY) for text in row] for row in rows], left=78)
    ends = [columns.description, columns.quantity, columns.price, columns.amount]
    for (left, width), (next_left, _) in pairwise(ends):
        assert left + width <= next_left - GAP + 0.001
    assert columns.description[1] >= 100
    assert abs(sum(columns.amount) - RIGHT) < 0.001


def test_a_column_is_as_wide_as_its_numbers() -> None:
    short = columns_for([[("1", BODY), ("2", BODY), ("3", BODY)]], left=78)
    long = columns_for(
        [[("1 call", BODY), ("0.000000123456", BODY), ("121,931.851854872713481342784", SMALL)]], left=78
    )
    assert long.amount[1] >= width_of("121,931.851854872713481342784", SMALL) > short.amount[1]
    assert long.price[1] >= width_of("0.000000123456", BODY) > short.price[1]
    assert long.description[1] < short.description[1]


def test_a_unit_goes_below_its_quantity_if_the_page_is_narrow() -> None:
    quantity = "987,654,321,012.123456789 megabytes of everything that there is"
    columns = columns_for([[(quantity, BODY), ("0.000000123456", BODY), ("1.00", BODY)]], left=78)
    assert width_of("987,654,321,012.123456789", BODY) <= columns.quantity[1] < width_of(quantity, BODY)
