"""LATEST."""

from metering.domain.aggregations.latest import LATEST


def test_the_latest_value_is_read_from_events_and_does_not_add_up() -> None:
    assert (LATEST.is_mergeable, LATEST.is_summed, LATEST.is_divisible) == (False, False, False)
