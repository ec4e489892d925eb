"""Filters of meters: texts, and conditions on a property."""

from decimal import Decimal
from typing import Any

import pytest

from metering.domain.canonical import PropertyValue
from metering.domain.conditions import Condition, as_stored, passes, read_filters


@pytest.mark.parametrize(
    ("wanted", "passing", "failing"),
    [
        (["GET", "7"], ["GET", 7, "7"], ["get", None, 8]),
        ({"equals": "GET"}, ["GET"], ["", None]),
        ({"in": ["a", "true"]}, ["a", True], ["b", None, False]),
        ({"not_in": ["a", "true"]}, ["b", None, 7], ["a", True]),
        ({"exists": True}, ["", 0, False], [None]),
        ({"exists": False}, [None], ["", 0]),
        ({"gt": 5}, [6, "6", Decimal("5.000000001")], [5, "five", None, True, ""]),
        ({"gte": "0.5", "lt": 7}, [Decimal("0.5"), "0.50", 1], [7, 0, "7.0", None]),
        ({"lte": -1}, [-1, Decimal("-1.5")], [0, "-2", None]),
        ({"gt": 0, "not_in": ["7"]}, [6, "8"], [7, "7", 0]),
    ],
)
def test_what_passes(wanted: object, passing: list[PropertyValue], failing: list[PropertyValue]) -> None:
    filters = read_filters({"n": wanted})
    assert [passes(filters, {"n": value}) for value in passing] == [True] * len(passing)
    assert [passes(filters, {"n": value}) for value in failing] == [False] * len(failing)
    assert passes(filters, {}) == passes(filters, {"n": None})


@pytest.mark.parametrize(
    ("filters", "detail"),
    [
        (["status"], "Each property has"),
        ({"n": "GET"}, "Each property has"),
        ({"n": {}}, "Each property has"),
        ({"n": {"like": "G%"}}, "Each property has"),
        ({"n": {"equals": "a", "gt": 1}}, "Each property has"),
        ({"n": []}, "A list of 1 to 200"),
        ({"n": {"in": "a"}}, "A list of 1 to 200"),
        ({"n": {"in": ["a"] * 201}}, "A list of 1 to 200"),
        ({"n": [200]}, "write a number as it is sent"),
        ({"n": {"equals": 200}}, "write a number as it is sent"),
        ({"n": {"exists": "yes"}}, "true or false"),
        ({"n": {"gt": 0.5}}, "A bound is"),
        ({"n": {"gt": True}}, "A bound is"),
        ({"n": {"gt": "1e9"}}, "A bound is"),
        ({"n": {"gt": "9" * 21}}, "A bound is"),
    ],
)
def test_a_filter_that_cannot_be_read_is_explained(filters: object, detail: str) -> None:
    with pytest.raises(ValueError, match=detail):
        read_filters(filters)


def test_filters_are_stored_without_losing_a_digit_and_read_again() -> None:
    written: dict[str, Any] = {
        "status": ["200"],
        "size": {"gte": "0.000000001", "lt": 10**19},
        "user": {"exists": True, "not_in": ["root"]},
    }
    filters = read_filters(written)
    assert filters["size"] == Condition(gte=Decimal("0.000000001"), lt=Decimal(10**19))
    stored = as_stored(filters)
    assert stored == written | {"size": {"gte": "0.000000001", "lt": str(10**19)}}
    assert read_filters(stored) == read_filters(filters) == filters
