"""The properties that each aggregation declares."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.aggregations.description import Aggregation, MeasuredEvent
from metering.domain.aggregations.registry import AGGREGATIONS, aggregation_named
from metering.domain.quantities import EXACT
from metering.selectors.aggregation_sql import AGGREGATION_SQL

quantities = st.decimals(min_value=0, max_value=10**20, places=9)
ALL = pytest.mark.parametrize("aggregation", AGGREGATIONS, ids=str)


@ALL
def test_each_aggregation_is_found_by_its_code_and_has_sql(aggregation: Aggregation) -> None:
    assert aggregation_named(aggregation.code) is aggregation
    assert aggregation.code in AGGREGATION_SQL


@ALL
@given(one=quantities, other=quantities, third=quantities)
def test_aggregations_that_merge_do_so_in_any_order(
    aggregation: Aggregation, one: Decimal, other: Decimal, third: Decimal
) -> None:
    if aggregation.is_mergeable:
        merge = aggregation.merge
        assert merge(one, other) == merge(other, one)
        assert merge(merge(one, other), third) == merge(one, merge(other, third))


@ALL
@given(one=quantities, other=quantities)
def test_aggregations_that_add_up_are_sums(aggregation: Aggregation, one: Decimal, other: Decimal) -> None:
    if aggregation.is_summed:
        assert EXACT.subtract(aggregation.merge(one, other), other) == one


@ALL
def test_only_an_aggregation_that_takes_a_property_reads_one(aggregation: Aggregation) -> None:
    brought = [aggregation.measure(MeasuredEvent(Decimal(3), {"n": value}, "n")) for value in (7, None)]
    assert (brought[0] != brought[1]) == aggregation.takes_property
    assert (brought[1] is None) == aggregation.needs_value
