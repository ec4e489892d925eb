"""The registry of aggregations that a meter may have."""

from typing import Final

from metering.domain.aggregations.average import AVERAGE
from metering.domain.aggregations.count import COUNT
from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.extremes import MAX, MIN
from metering.domain.aggregations.latest import LATEST
from metering.domain.aggregations.percentile import PERCENTILES
from metering.domain.aggregations.sum import SUM
from metering.domain.aggregations.time_weighted import TIME_WEIGHTED
from metering.domain.aggregations.unique import UNIQUE

AGGREGATIONS: Final = (COUNT, SUM, MAX, MIN, AVERAGE, TIME_WEIGHTED, LATEST, UNIQUE, *PERCENTILES)
# The kinds that the rollups keep, and those of them that are added up.
MERGEABLE: Final = tuple(aggregation for aggregation in AGGREGATIONS if aggregation.is_mergeable)
SUMMED: Final = tuple(aggregation for aggregation in AGGREGATIONS if aggregation.is_summed)
# The stored codes of the additive ones.
ADDITIVE_CODES: Final = [aggregation.code for aggregation in AGGREGATIONS if aggregation.is_additive]
# Those of the kinds that a price may use.
DIVISIBLE_CODES: Final = [aggregation.code for aggregation in AGGREGATIONS if aggregation.is_divisible]
_BY_CODE: Final = {aggregation.code: aggregation for aggregation in AGGREGATIONS}


def aggregation_named(code: str) -> Aggregation:
    """Return the aggregation that is stored under `code`."""
    return _BY_CODE[code]
