"""AVG."""

from decimal import Decimal

from metering.domain.aggregations.average import AVERAGE


def test_an_average_is_the_sum_by_the_number_of_values() -> None:
    held = AVERAGE.merge(Decimal(10), Decimal(7))
    assert AVERAGE.quantity_of(held, 2) == Decimal("8.5")
    assert AVERAGE.quantity_of(Decimal(1), 3) == Decimal("0.333333333")


def test_an_average_of_nothing_is_nothing() -> None:
    assert AVERAGE.quantity_of(Decimal(0), 0) == 0
