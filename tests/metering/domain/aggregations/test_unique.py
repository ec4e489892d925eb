"""UNIQUE."""

from decimal import Decimal

import pytest

from metering.domain.aggregations.description import MeasuredEvent
from metering.domain.aggregations.unique import UNIQUE


def test_a_property_or_the_subject_is_counted() -> None:
    by_property, by_subject = ({"value_property": "user"}, {"value_property": "", "subject": "ann"})
    assert UNIQUE.measure(MeasuredEvent(Decimal(3), {"user": 7}, **by_property)) == 1  # type: ignore[arg-type]
    assert UNIQUE.measure(MeasuredEvent(Decimal(3), {"user": None}, **by_property)) is None  # type: ignore[arg-type]
    assert UNIQUE.measure(MeasuredEvent(Decimal(3), {}, **by_subject)) == 1
    assert UNIQUE.measure(MeasuredEvent(Decimal(3), {}, "")) is None


def test_numbers_of_different_values_never_merge() -> None:
    with pytest.raises(AssertionError, match="do not merge"):
        UNIQUE.merge(Decimal(1), Decimal(1))
