"""MAX and MIN."""

from decimal import Decimal

from metering.domain.aggregations.description import MeasuredEvent
from metering.domain.aggregations.extremes import MAX, MIN


def test_the_greatest_and_the_least_of_two() -> None:
    assert (MAX.merge(Decimal(7), Decimal(3)), MIN.merge(Decimal(7), Decimal(3))) == (7, 3)
    assert MAX.quantity_of(Decimal(7), 2) == 7


def test_an_event_without_a_number_brings_nothing() -> None:
    for kind in (MAX, MIN):
        assert kind.measure(MeasuredEvent(Decimal(3), {"n": "seven"}, "n")) is None
        assert kind.measure(MeasuredEvent(Decimal(3), {"n": -7}, "n")) == 0
        assert kind.measure(MeasuredEvent(Decimal(3), {"n": 7}, "")) == 3
