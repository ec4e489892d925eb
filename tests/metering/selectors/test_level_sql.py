"""The end of a level: the next event of its series, its longest time, or the end of what is asked."""

from metering.domain.aggregations.time_weighted import TIME_WEIGHTED
from metering.selectors.level_sql import level_end, seconds_of


def test_a_level_ends_at_the_earliest_of_its_ends() -> None:
    assert level_end(TIME_WEIGHTED, partition=["e.subject", "e.n"], value="v", ends=["a", "b"]) == (
        "least(lead(e.occurred_at) OVER (PARTITION BY e.subject, e.n ORDER BY e.occurred_at, v),"
        " e.occurred_at + interval '840 hours', a, b)"
    )


def test_a_level_that_ends_before_what_is_asked_lasted_no_time() -> None:
    assert seconds_of("v", start="a", end="b") == "v * greatest(extract(epoch FROM b - a), 0)"
