"""The time-weighted sum."""

from datetime import timedelta
from decimal import Decimal

from metering.domain.aggregations.sum import SUM
from metering.domain.aggregations.time_weighted import LASTS_MOST, TIME_WEIGHTED


def test_what_is_held_in_seconds_is_a_quantity_in_hours() -> None:
    assert TIME_WEIGHTED.quantity_of(Decimal(5400), 1) == Decimal("1.5")
    assert TIME_WEIGHTED.quantity_of(Decimal("0.000001"), 0) == 0


def test_only_parts_of_it_add_up() -> None:
    assert (TIME_WEIGHTED.is_divisible, TIME_WEIGHTED.is_additive) == (True, False)
    assert (TIME_WEIGHTED.reaches_back, SUM.reaches_back) == (LASTS_MOST, timedelta())
