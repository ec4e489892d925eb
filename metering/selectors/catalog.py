"""The event types and meters that ingest needs: read once a second by each process, not once a request."""

from dataclasses import dataclass
from typing import Final

from accounts.domain.short_memory import ShortMemory
from metering.domain.aggregations.registry import aggregation_named
from metering.domain.contribution import MeterRule
from metering.models import EventType, Meter
from metering.selectors.steady_clock import steady_instant


@dataclass(frozen=True, slots=True)
class Catalog:
    """All event types and meters at one moment."""

    event_types: frozenset[str]
    rules: tuple[MeterRule, ...]


_CATALOG: Final = "catalog"
_memory: Final = ShortMemory[str, Catalog]()


def catalog() -> Catalog:
    """Return the catalogue, at most a second old.

    A new meter counts from some seconds after its creation, so no process is late.
    """
    return _memory.recall(_CATALOG, steady_instant()) or renew_catalog()


def renew_catalog() -> Catalog:
    """Read the catalogue again and return it."""
    now, read = steady_instant(), _read()
    _memory.keep(_CATALOG, read, now)
    return read


def _read() -> Catalog:
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
    return Catalog(event_types, rules)


def meter_rules() -> tuple[MeterRule, ...]:
    """Return every meter's rule."""
    return catalog().rules


def rules_in_rollups() -> tuple[MeterRule, ...]:
    """Return the rules of the meters that the rollups keep; usage of the others is read from the events."""
    return tuple(rule for rule in meter_rules() if rule.aggregation.is_mergeable)


def known_event_types() -> frozenset[str]:
    """Return the codes that clients may send as `type`."""
    return catalog().event_types


def forget_catalog() -> None:
    """Clear the cache: after a change in this process, and between tests."""
    _memory.forget_all()
