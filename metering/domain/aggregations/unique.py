"""UNIQUE: the number of different values, such as of users who were active."""

from decimal import Decimal
from typing import Final

from metering.domain.aggregations.description import Aggregation, never_merged

UNIQUE: Final = Aggregation(
    code="unique",
    name="Number of different values",
    takes_property=True,
    measure=lambda event: None if event.text is None else Decimal(1),
    merge=never_merged,
    is_mergeable=False,
    is_summed=False,
    is_additive=False,
    needs_value=True,
    measures_text=True,
)
