"""A tenant whose hours are known by heart, for tests of anomalies."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from accounts.models import ApiKey, Tenant
from metering.alerts.domain.anomalies import History, Use
from metering.alerts.models import ThresholdAlert
from metering.models import Meter, UsageDay, UsageHour

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NO_KEY = UUID(int=0)
# A working day's hour at 10:00 of a zone has 100 events, a night's 4.
BUSY, QUIET = 100, 4


def usual(hour: datetime) -> int:
    return BUSY if 8 <= hour.hour < 18 else QUIET


def steady_hours(days: int, *, until: datetime, changed: Mapping[datetime, int] | None = None) -> dict[datetime, Use]:
    """Return so many days of hours before `until`, as usual unless `changed` says otherwise."""
    hours = [until - (n + 1) * HOUR for n in range(days * 24)]
    numbers = {hour: usual(hour) for hour in hours} | dict(changed or {})
    return {hour: Use(Decimal(number), number) for hour, number in numbers.items() if number}


def history(days: int, *, until: datetime, changed: Mapping[datetime, int] | None = None, zone: str = "UTC") -> History:
    hours = steady_hours(days, until=until, changed=changed)
    return History(hours, zone, min(hours))


def store_hours(tenant: Tenant, meter: Meter, hours: Mapping[datetime, Use], key: ApiKey | None = None) -> None:
    """Write the rollups of these hours; days are those of UTC."""
    of_ledger = {"tenant_id": tenant.pk, "is_live": True, "meter_id": meter.pk, "slot": 0}
    UsageHour.objects.bulk_create(
        UsageHour(hour=hour, quantity=use.quantity, events=use.events, **of_ledger) for hour, use in hours.items()
    )
    days: dict[date, int] = {}
    for hour, use in hours.items():
        days[hour.date()] = days.get(hour.date(), 0) + use.events
    UsageDay.objects.bulk_create(
        UsageDay(
            day=day,
            api_key_id=key.pk if key else NO_KEY,
            dimension_key=b"",
            dimensions={},
            quantity=Decimal(number),
            events=number,
            **of_ledger,
        )
        for day, number in days.items()
    )


def make_anomaly(
    tenant: Tenant, start: datetime, *, key_id: UUID | None = None, pattern: str = "spike"
) -> ThresholdAlert:
    """Store an anomaly of the tenant's requests."""
    return ThresholdAlert.objects.create(
        tenant=tenant,
        kind="anomaly",
        meter=Meter.objects.get(code="api_requests"),
        period_start_on=start.date(),
        window_start_at=start,
        window_end_at=start + HOUR,
        expected=100,
        quantity=700,
        pattern=pattern,
        api_key_id=key_id,
        occurred_at=start,
    )
