"""Usage of equal days, for tests of predicted crossings."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from accounts.models import Tenant
from metering.alerts.domain.anomalies import Use
from metering.domain.periods import start_of_day
from metering.models import Meter
from tests.metering.alerts.alert_world import TOKENS
from tests.metering.alerts.anomaly_world import store_hours

MID_MONTH = datetime(2026, 3, 16, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def steady_days(tenant: Tenant, a_day: int, *, days: int = 60, until: datetime = MID_MONTH) -> None:
    """Store so much usage of tokens for each whole day before, half at 6 and half at 18 o'clock, until `until`."""
    today = start_of_day(until.date(), "UTC")
    hours = [today - n * DAY + timedelta(hours=hour) for n in range(days + 1) for hour in (6, 18)]
    half = Decimal(a_day) / 2
    uses = {hour: Use(half, int(half)) for hour in hours if hour < until}
    store_hours(tenant, Meter.objects.get(code=TOKENS), uses)
