"""The registry of aggregations that a meter may have."""

from typing import Final

from metering.domain.aggregations.count import COUNT
from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.sum import SUM

AGGREGATIONS: Final = (COUNT, SUM)
# The stored codes of the additive ones.
ADDITIVE_CODES: Final = [aggregation.code for aggregation in AGGREGATIONS if aggregation.is_additive]
_BY_CODE: Final = {aggregation.code: aggregation for aggregation in AGGREGATIONS}


def aggregation_named(code: str) -> Aggregation:
    """Return the aggregation that is stored under `code`."""
    return _BY_CODE[code]
