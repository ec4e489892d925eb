"""SUM: the sum of a value of each event."""

from typing import Final

from metering.domain.aggregations.description import Aggregation
from metering.domain.quantities import EXACT

SUM: Final = Aggregation(
    code="sum",
    name="Sum of a value",
    takes_property=True,
    measure=lambda event: event.value,
    merge=EXACT.add,
    is_mergeable=True,
    is_summed=True,
    is_additive=True,
)
