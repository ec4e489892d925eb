"""Percentiles by the nearest rank: the least value that at least so many percent of the events do not exceed."""

from decimal import Decimal
from typing import Final

from metering.domain.aggregations.description import Aggregation, read_from_events

# By code, in per mille.
PER_MILLE: Final = {"p50": 500, "p75": 750, "p90": 900, "p95": 950, "p99": 990, "p999": 999}


def _percentile(code: str, per_mille: int) -> Aggregation:
    percent = (Decimal(per_mille) / 10).normalize()
    return read_from_events(code, "Median" if code == "p50" else f"{percent:f}th percentile")


PERCENTILES: Final = tuple(_percentile(code, per_mille) for code, per_mille in PER_MILLE.items())
