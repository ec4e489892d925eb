"""What the pages of keys show of their use: thirty days of requests, refusals by reason, and addresses."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from accounts.domain.api_key import KeyKind
from accounts.domain.numbers import unit_name
from accounts.keys.selectors.key_use import (
    RefusedRequests,
    addresses_of_key,
    last_addresses,
    refusals_of_key,
    refused_by_key,
)
from accounts.models import ApiKey, KeyAddress
from metering.domain.http_requests import API_REQUESTS
from metering.domain.periods import calendar_days, local_day
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.models import Meter
from metering.selectors.usage import daily_usage, meter_named
from metering.selectors.usage_of_keys import daily_usage_of_keys
from portal.access import Portal

DAYS_SHOWN: Final = 30
ADDRESSES_SHOWN: Final = 20


_BAR_HEIGHT_MAX: Final = 24
_BAR_STEP: Final = 4


@dataclass(frozen=True, slots=True)
class KeyGlance:
    """A key's last days in a row of the list: a bar for each day as x, y and height of 120 by 24, and sums.

    `bars` is empty without usage; `address` is the one that used the key last, empty if none is recorded.
    """

    total: Decimal
    busiest: Decimal
    bars: tuple[tuple[int, int, int], ...]
    refused: int
    address: str


@dataclass(frozen=True, slots=True)
class KeyActivity:
    """A key's use of the last days. `chart` is None if there is no usage."""

    total: Decimal
    unit: str
    chart: dict[str, object] | None
    refusals: Sequence[RefusedRequests]
    addresses: Sequence[KeyAddress]


def glances_of(portal: Portal, keys: Iterable[ApiKey]) -> dict[UUID, KeyGlance]:
    """Return what happened with each of the tenant's keys, in three queries for all of them."""
    ids = [key.pk for key in keys]
    today = local_day(portal.as_of, portal.tenant.time_zone)
    days = calendar_days(today - timedelta(days=DAYS_SHOWN - 1), today + timedelta(days=1))
    used = daily_usage_of_keys(
        tenant_id=portal.tenant.pk,
        api_key_ids=ids,
        meter=meter_named(API_REQUESTS),
        start=days[0],
        end=today + timedelta(days=1),
    )
    since = (portal.as_of - timedelta(days=DAYS_SHOWN)).date()
    refused = refused_by_key(tenant_id=portal.tenant.pk, key_ids=ids, since=since)
    addresses = last_addresses(tenant_id=portal.tenant.pk, key_ids=ids)
    return {
        key_id: _glance([used.get(key_id, {}).get(day, Decimal(0)) for day in days], refused, addresses, key_id)
        for key_id in ids
    }


def _glance(
    days: Sequence[Decimal], refused: Mapping[UUID, int], addresses: Mapping[UUID, str], key_id: UUID
) -> KeyGlance:
    busiest = max(days)
    heights = [(place, bar_height(quantity, busiest)) for place, quantity in enumerate(days) if quantity]
    bars = tuple((place * _BAR_STEP, _BAR_HEIGHT_MAX - height, height) for place, height in heights)
    return KeyGlance(sum(days, Decimal(0)), busiest, bars, refused.get(key_id, 0), addresses.get(key_id, ""))


def bar_height(quantity: Decimal, busiest: Decimal) -> int:
    """Return the height of a day's bar beside the busiest day's of 24; any usage is seen."""
    return max(int(quantity * _BAR_HEIGHT_MAX / busiest), 1)


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
