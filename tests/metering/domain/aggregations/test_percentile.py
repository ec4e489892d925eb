"""The rank of a percentile, exactly, and the fraction with which PostgreSQL finds it."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from metering.domain.aggregations.percentile import PER_MILLE
from metering.selectors.aggregation_sql import AGGREGATION_SQL


@given(code=st.sampled_from(list(PER_MILLE)), events=st.integers(1, 10**9))
def test_the_fraction_of_postgresql_gives_the_exact_rank(code: str, events: int) -> None:
    fraction = AGGREGATION_SQL[code].collected.partition("(")[2].partition(")")[0]
    # PostgreSQL multiplies in double precision, and rounds up.
    assert ceil(float(fraction) * events) == ceil(Fraction(PER_MILLE[code], 1000) * events)
