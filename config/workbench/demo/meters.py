"""The demo's own meters, of kinds that do not add up: what a customer asks of its traffic beside what it pays for."""

from datetime import datetime
from typing import Final

from accounts.domain.actor import Actor
from metering.domain.http_requests import EVENT_TYPE
from metering.domain.meter_terms import MeterTerms
from metering.models import Event, Meter
from metering.services.meters import create_meter

METERS: Final = (
    MeterTerms("response_size_average", "Average size of a response", "bytes", EVENT_TYPE, "avg", "response_length"),
    MeterTerms("response_size_p95", "95th percentile of response sizes", "bytes", EVENT_TYPE, "p95", "response_length"),
    MeterTerms("endpoints_used", "Different endpoints used", "endpoints", EVENT_TYPE, "unique", "resource_path"),
)


def ensure_meters(*, actor: Actor, began_at: datetime, as_of: datetime) -> None:
    """Create the meters that are missing.

    They count the demo's whole history. On data of an earlier release they begin now: its rollups lack them.
    """
    known = set(Meter.objects.values_list("code", flat=True))
    begins_at = as_of if Event.objects.exists() else began_at
    for terms in METERS:
        if terms.code not in known:
            create_meter(terms=terms, actor=actor, as_of=begins_at)
