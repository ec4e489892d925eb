"""Made-up requests, hour by hour: the same seed, tenant and hour always give the same requests.

So a later run adds only what happened since, and a repeated one creates events that the ledger already has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from config.workbench.demo.cast import HISTORY_DAYS, DemoTenant

ID_PREFIX: Final = "demo-"
Choice = TypeVar("Choice")
_HOUR: Final = timedelta(hours=1)
_SATURDAY: Final = 5
_SPIKE_FACTOR: Final = 4
_SPIKE_HOURS: Final = range(10, 17)
_MICROSECONDS_PER_HOUR: Final = 3_600_000_000
_STATUSES: Final = (("200", 905), ("201", 40), ("304", 18), ("404", 21), ("422", 9), ("500", 4), ("503", 3))


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """One request to a tenant's API, as the event that reports it."""

    id: str
    occurred_at: datetime
    key_name: str
    properties: dict[str, str | int]


def requests_within(
    tenant: DemoTenant, *, seed: str, begin: datetime, start: datetime, end: datetime
) -> Iterator[DemoRequest]:
    """Yield the tenant's requests with `start <= occurred_at < end`, in order of time. `begin` is its first hour."""
    hour = max(begin, start).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour < end:
        for request in _requests_of_hour(tenant, seed, begin, hour):
            if start <= request.occurred_at < end:
                yield request
        hour += _HOUR


def _requests_of_hour(tenant: DemoTenant, seed: str, begin: datetime, hour: datetime) -> list[DemoRequest]:
    stamp = f"{hour:%Y%m%d%H}"
    random = Random(f"{seed}/{tenant.slug}/{stamp}")  # noqa: S311 - made-up data, and it has to be repeatable
    steady, burst = _expected(tenant, begin, hour)
    number = _whole(random, steady)
    offsets = [random.randrange(_MICROSECONDS_PER_HOUR) for _ in range(number)]
    # The work of the first day of a month is done in its first ten minutes.
    offsets += [random.randrange(_MICROSECONDS_PER_HOUR // 6) for _ in range(burst)]
    return [
        _request(tenant, random, hour + timedelta(microseconds=offset), f"{ID_PREFIX}{stamp}-{n}")
        for n, offset in enumerate(sorted(offsets))
    ]


def _expected(tenant: DemoTenant, begin: datetime, hour: datetime) -> tuple[int, int]:
    """Return the expected thousandths of a request in this hour, and the number of requests on top at once."""
    local = hour.astimezone(ZoneInfo(tenant.time_zone))
    days = (hour - begin).days
    thousandths = tenant.hourly_tenths * tenant.rhythm.by_hour[local.hour]
    thousandths = thousandths * (100 * HISTORY_DAYS + tenant.growth_percent * days) // (100 * HISTORY_DAYS)
    if local.weekday() >= _SATURDAY:
        thousandths = thousandths * tenant.rhythm.weekend_percent // 100
    if _is_spike(tenant, begin, local):
        thousandths *= _SPIKE_FACTOR
    is_first_hour = local.day == 1 and (hour - _HOUR).astimezone(ZoneInfo(tenant.time_zone)).day != 1
    return thousandths, tenant.first_of_month_requests if is_first_hour else 0


def _is_spike(tenant: DemoTenant, begin: datetime, local: datetime) -> bool:
    first: date = begin.astimezone(ZoneInfo(tenant.time_zone)).date()
    return (local.date() - first).days in tenant.spike_days and local.hour in _SPIKE_HOURS


def _whole(random: Random, thousandths: int) -> int:
    """Return a random whole number around the expected one, distributed as arrivals are."""
    spread = random.randint(70, 130)
    whole, rest = divmod(thousandths * spread // 100, 1000)
    return whole + (random.randrange(1000) < rest)


def _request(tenant: DemoTenant, random: Random, occurred_at: datetime, request_id: str) -> DemoRequest:
    endpoint = _weighted(random, tenant.endpoints, [endpoint.weight for endpoint in tenant.endpoints])
    key = _weighted(random, tenant.keys, [key.share for key in tenant.keys])
    status = _weighted(random, [code for code, _ in _STATUSES], [weight for _, weight in _STATUSES])
    length = endpoint.bytes_typical * random.randint(60, 150) // 100 if status < "300" else random.randint(60, 240)
    return DemoRequest(
        id=request_id,
        occurred_at=occurred_at,
        key_name=key.name,
        properties={
            "http_method": endpoint.method,
            "resource_path": endpoint.path,
            "status": int(status),
            "response_length": length,
            "ip": f"203.0.113.{random.randint(1, 254)}",
        },
    )


def _weighted(random: Random, choices: Sequence[Choice], weights: Sequence[int]) -> Choice:
    return random.choices(choices, weights)[0]
