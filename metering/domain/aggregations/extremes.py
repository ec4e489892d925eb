"""MAX and MIN: the greatest and the least value of the events."""

from typing import Final

from metering.domain.aggregations.description import Aggregation

MAX: Final = Aggregation(
    code="max",
    name="Greatest value",
    takes_property=True,
    measure=lambda event: event.number,
    merge=max,
    is_mergeable=True,
    is_summed=False,
    is_additive=False,
    needs_value=True,
)
MIN: Final = Aggregation(
    code="min",
    name="Least value",
    takes_property=True,
    measure=lambda event: event.number,
    merge=min,
    is_mergeable=True,
    is_summed=False,
    is_additive=False,
    needs_value=True,
)
