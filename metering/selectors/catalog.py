"""The event types and meters that ingest needs: read once a second by each process, not once a request."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from accounts.domain.short_memory import ShortMemory
from metering.domain.aggregations.registry import aggregation_named
from metering.domain.conditions import read_filters
from metering.domain.meter_rules import FIRST, LAST, MeterRule
from metering.formulas.domain.formula import formula_of
from metering.models import EventType, Meter, MeterVersion
from metering.selectors.steady_clock import steady_instant


@dataclass(frozen=True, slots=True)
class Catalog:
    """All event types and meters at one moment.

    `rules` has all versions of the meters, each meter's in their order; `latest` the last one of each; `formulas` those
    with a formula, and `in_rollups` those that the rollups keep, by event type.
    """

    event_types: frozenset[str]
    rules: tuple[MeterRule, ...]
    latest: tuple[MeterRule, ...]
    formulas: Mapping[str, Sequence[MeterRule]]
    in_rollups: Mapping[str, Sequence[MeterRule]]


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
    versions: dict[int, list[MeterVersion]] = {}
    for version in MeterVersion.objects.order_by("begins_at"):
        versions.setdefault(version.meter_id, []).append(version)
    meters = Meter.objects.select_related("event_type").order_by("pk")
    by_meter = [rules_of_meter(meter, versions.get(meter.pk, ())) for meter in meters]
    formulas: dict[str, list[MeterRule]] = {}
    for rule in (rule for rules in by_meter for rule in rules if rule.formula is not None):
        formulas.setdefault(rule.event_type, []).append(rule)
    in_rollups: dict[str, list[MeterRule]] = {}
    for rule in (rule for rules in by_meter for rule in rules if rule.aggregation.is_mergeable):
        in_rollups.setdefault(rule.event_type, []).append(rule)
    return Catalog(
        event_types=frozenset(EventType.objects.values_list("code", flat=True)),
        rules=tuple(rule for rules in by_meter for rule in rules),
        latest=tuple(rules[-1] for rules in by_meter),
        formulas=formulas,
        in_rollups=in_rollups,
    )


def rules_of_meter(meter: Meter, versions: Sequence[MeterVersion]) -> list[MeterRule]:
    """Return the rules of a meter: its first definition, and the later versions in their order."""
    definitions: Sequence[Meter | MeterVersion] = (meter, *versions)
    begins = [FIRST, *(version.begins_at for version in versions)]
    ends = [*begins[1:], LAST]
    return [
        MeterRule(
            id=meter.pk,
            code=meter.code,
            event_type=meter.event_type.code,
            aggregation=aggregation_named(definition.aggregation),
            value_property=definition.value_property,
            dimensions=tuple(definition.dimensions),
            filters=read_filters(definition.filters),
            counts_from=meter.counts_from,
            formula=formula_of(definition.formula),
            version=number,
            begins_at=begins_at,
            ends_at=ends_at,
            is_filled=meter.fill_from is None,
        )
        for number, (definition, begins_at, ends_at) in enumerate(zip(definitions, begins, ends, strict=True), start=1)
    ]


def meter_rules() -> tuple[MeterRule, ...]:
    """Return every meter, by its last version. Its usage is of all versions: `versions_of`."""
    return catalog().latest


def counting_rules() -> tuple[MeterRule, ...]:
    """Return all versions of every meter."""
    return catalog().rules


def versions_of(meter_ids: Collection[int]) -> list[MeterRule]:
    """Return all versions of some meters."""
    return [rule for rule in counting_rules() if rule.id in meter_ids]


def formulas_by_event_type() -> Mapping[str, Sequence[MeterRule]]:
    """Return the versions that have a formula, by event type."""
    return catalog().formulas


def rules_in_rollups() -> tuple[MeterRule, ...]:
    """Return all versions of the meters that the rollups keep; usage of the others is read from the events."""
    return tuple(rule for rule in counting_rules() if rule.aggregation.is_mergeable)


def rules_in_rollups_of(event_type: str) -> Sequence[MeterRule]:
    """Return those of one event type."""
    return catalog().in_rollups.get(event_type, ())


def levels_are_metered() -> bool:
    """Return whether there is a meter whose events last beyond their moment."""
    return any(rule.aggregation.lasts for rule in meter_rules())


def known_event_types() -> frozenset[str]:
    """Return the codes that clients may send as `type`."""
    return catalog().event_types


def forget_catalog() -> None:
    """Clear the cache: after a change in this process, and between tests."""
    _memory.forget_all()
