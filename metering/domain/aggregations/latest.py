"""LATEST: the value of the event that occurred last; of several at one instant, the greatest."""

from typing import Final

from metering.domain.aggregations.description import read_from_events

LATEST: Final = read_from_events("latest", "Latest value")
