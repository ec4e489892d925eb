"""What a key's page shows of its use: thirty days of requests, refusals by reason, and addresses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from accounts.domain.api_key import KeyKind
from accounts.domain.numbers import unit_name
from accounts.keys.selectors.key_use import RefusedRequests, addresses_of_key, refusals_of_key
from accounts.models import ApiKey, KeyAddress
from metering.domain.http_requests import API_REQUESTS
from metering.domain.periods import local_day
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.models import Meter
from metering.selectors.usage import daily_usage, meter_named
from portal.access import Portal

DAYS_SHOWN: Final = 30
ADDRESSES_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class KeyActivity:
    """A key's use of the last days. `chart` is None if there is no usage."""

    total: Decimal
    unit: str
    chart: dict[str, object] | None
    refusals: Sequence[RefusedRequests]
    addresses: Sequence[KeyAddress]


def activity_of(portal: Portal, key: ApiKey) -> KeyActivity:
    """Return what happened with one of the tenant's keys, in a fixed number of queries."""
    meter = Meter.objects.get(code=API_REQUESTS)
    chart, total = _chart(portal, key, meter)
    since = (portal.as_of - timedelta(days=DAYS_SHOWN)).date()
    return KeyActivity(
        total=total,
        unit=meter.unit,
        chart=chart,
        refusals=refusals_of_key(tenant_id=portal.tenant.pk, key_id=key.pk, since=since),
        addresses=list(addresses_of_key(tenant_id=portal.tenant.pk, key_id=key.pk)[:ADDRESSES_SHOWN]),
    )


def _chart(portal: Portal, key: ApiKey, meter: Meter) -> tuple[dict[str, Any] | None, Decimal]:
    """Return the data for `static/portal/charts.js`, and the sum."""
    today = local_day(portal.as_of, portal.tenant.time_zone)
    try:
        days = daily_usage(
            ledger=portal.ledger(is_live=key.kind == KeyKind.LIVE),
            meter=meter_named(meter.code),
            start=today - timedelta(days=DAYS_SHOWN - 1),
            end=today + timedelta(days=1),
            api_key_id=key.pk,
        )
    except (EventsDeletedError, QueryTooLargeError):
        return None, Decimal(0)
    total = sum((day.quantity for day in days), Decimal(0))
    if not total:
        return None, total
    return {
        "kind": "bar",
        "labels": [f"{day.date:%d %b}" for day in days],
        "unit": meter.unit,
        "unit_of_one": unit_name(meter.unit, 1),
        "is_stacked": False,
        "series": [{"name": meter.name, "values": [format(day.quantity, "f") for day in days], "is_forecast": False}],
        "limit": None,
    }, total
