"""The rules of meters: which events they count, and what they measure of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from metering.domain.aggregations.description import Aggregation
from metering.domain.conditions import Filter
from metering.formulas.domain.formula import Formula

# Before all events, and after all of them.
FIRST: Final = datetime.min.replace(tzinfo=UTC)
LAST: Final = datetime(9999, 12, 30, tzinfo=UTC)


class MeterRule(NamedTuple):
    """One version of a meter's rule: of the events that occurred from `begins_at` on and before `ends_at`.

    It measures the property, or what the formula comes to; without either the events' quantity. All versions of a meter
    have one id, event type and `counts_from`, and kinds that come to one quantity. `is_filled`: the rollups have all of
    its events; until then its usage is read from the events.
    """

    id: int
    code: str
    event_type: str
    aggregation: Aggregation
    value_property: str = ""
    dimensions: tuple[str, ...] = ()
    filters: Mapping[str, Filter] = {}
    counts_from: datetime = FIRST
    formula: Formula | None = None
    version: int = 1
    begins_at: datetime = FIRST
    ends_at: datetime = LAST
    is_filled: bool = True

    @property
    def is_in_rollups(self) -> bool:
        """Return whether the rollups have all that the meter counted."""
        return self.aggregation.is_mergeable and self.is_filled
