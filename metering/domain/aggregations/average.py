"""AVG: the mean of the events' values. What is kept is their sum; the number of events is kept beside it."""

from decimal import Decimal
from typing import Final

from metering.domain.aggregations.description import Aggregation
from metering.domain.quantities import EXACT, divided

AVERAGE: Final = Aggregation(
    code="avg",
    name="Average of a value",
    takes_property=True,
    measure=lambda event: event.number,
    merge=EXACT.add,
    is_mergeable=True,
    is_summed=True,
    is_additive=False,
    needs_value=True,
    quotient=lambda held, events: divided(held, Decimal(events)) if events else held,
)
