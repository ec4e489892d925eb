"""The event types and meters, as ingest needs them: read once a second by each process, not once a request."""

import time
from dataclasses import dataclass
from typing import Final

from metering.domain.aggregations.registry import aggregation_named
from metering.domain.contribution import MeterRule
from metering.models import EventType, Meter

AGE_NANOSECONDS_MAX: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Catalog:
    """All event types and meters at one moment."""

    event_types: frozenset[str]
    rules: tuple[MeterRule, ...]
    read_at_nanoseconds: int


_latest: list[Catalog] = []


def catalog() -> Catalog:
    """The catalogue, at most a second old.

    A new meter counts from some seconds after it was made, so no process is late.
    """
    if _latest and time.monotonic_ns() - _latest[0].read_at_nanoseconds < AGE_NANOSECONDS_MAX:
        return _latest[0]
    read_at_nanoseconds = time.monotonic_ns()
    rules = tuple(
        MeterRule(
            id=meter.pk,
            code=meter.code,
            event_type=meter.event_type.code,
            aggregation=aggregation_named(meter.aggregation),
            value_property=meter.value_property,
            dimensions=tuple(meter.dimensions),
            filters={name: tuple(values) for name, values in meter.filters.items()},
            counts_from=meter.counts_from,
        )
        for meter in Meter.objects.select_related("event_type").order_by("pk")
    )
    event_types = frozenset(EventType.objects.values_list("code", flat=True))
    _latest[:] = [Catalog(event_types, rules, read_at_nanoseconds)]
    return _latest[0]


def meter_rules() -> tuple[MeterRule, ...]:
    """Every meter's rule."""
    return catalog().rules


def rules_in_rollups() -> tuple[MeterRule, ...]:
    """Return the rules of the meters whose usage the rollups keep; that of the others is read from the events."""
    return tuple(rule for rule in meter_rules() if rule.aggregation.is_mergeable)


def known_event_types() -> frozenset[str]:
    """The codes that clients may send as `type`."""
    return catalog().event_types


def forget_catalog() -> None:
    """Read anew at the next call: after a change in this very process, and between tests."""
    _latest.clear()
