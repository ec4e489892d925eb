"""COUNT: the number of events."""

from decimal import Decimal
from typing import Final

from metering.domain.aggregations.description import Aggregation
from metering.domain.quantities import EXACT

COUNT: Final = Aggregation(
    code="count",
    name="Count of events",
    takes_property=False,
    measure=lambda _event: Decimal(1),
    merge=EXACT.add,
    is_mergeable=True,
    is_summed=True,
    is_additive=True,
)
