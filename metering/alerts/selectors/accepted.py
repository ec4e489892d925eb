"""What people called fine: the levels that are expected of a meter, or of a key, beside what is usual."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from metering.alerts.domain.anomalies import ACCEPTED_FOR, Accepted, Pattern
from metering.alerts.models import AcceptedAnomaly
from metering.alerts.selectors.anomaly_candidates import MeterOf

Levels = Mapping[tuple[MeterOf, UUID | None], Mapping[Pattern, Accepted]]


def accepted_levels(*, meters: Collection[MeterOf], as_of: datetime) -> Levels:
    """Return what was called fine in the last four weeks, by meter and key, and by what was unusual."""
    rows = AcceptedAnomaly.objects.filter(
        tenant__in={meter.tenant_id for meter in meters},
        alert__meter__in={meter.meter_id for meter in meters},
        accepted_at__gt=as_of - ACCEPTED_FOR,
        accepted_at__lte=as_of,
    )
    found: dict[tuple[MeterOf, UUID | None], dict[Pattern, list[Accepted]]] = defaultdict(lambda: defaultdict(list))
    for tenant, meter, key, pattern, quantity in rows.values_list(
        "tenant", "alert__meter", "alert__api_key_id", "alert__pattern", "alert__quantity"
    ):
        found[MeterOf(tenant, meter), key][Pattern(pattern)].append(_level(Pattern(pattern), quantity))
    return {
        meter: {pattern: merged_levels(levels) for pattern, levels in of_pattern.items()}
        for meter, of_pattern in found.items()
    }


def merged_levels(levels: Iterable[Accepted]) -> Accepted:
    """Return one level that allows what each of them allows."""
    all_levels = list(levels)
    lows = [level.low for level in all_levels if level.low is not None]
    return Accepted(
        high=max(level.high for level in all_levels),
        low=min(lows) if lows else None,
        is_silence=any(level.is_silence for level in all_levels),
    )


def _level(pattern: Pattern, quantity: Decimal) -> Accepted:
    if pattern is Pattern.SILENCE:
        return Accepted(is_silence=True)
    return Accepted(low=quantity) if pattern is Pattern.DROP else Accepted(high=quantity)
