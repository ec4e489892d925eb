"""Usage against quotas over windows: bounded by the requested share, for all tenants by one statement."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from metering.alerts.selectors.quota_windows import quota_windows
from metering.domain.periods import Period
from tests.metering.alerts.alert_world import NOON, customer, quota, use

pytestmark = pytest.mark.django_db


def test_only_windows_with_so_much_used_are_returned_and_every_tenant_with_a_quota_is_counted() -> None:
    acme = customer("acme", quota(100), quota(10, period=Period.DAY))
    customer("idle", quota(100))
    use(acme, 8, at=NOON)
    tenants, windows = quota_windows(as_of=NOON, looked_back_to=NOON, percent_min=80)
    assert tenants == 2
    assert [(window.period, window.first_day, window.used, window.limit) for window in windows] == [
        ("day", date(2026, 3, 10), Decimal(8), Decimal(10))
    ]
    assert quota_windows(as_of=NOON, looked_back_to=NOON, percent_min=81) == (2, [])


def test_days_that_had_not_ended_at_the_last_look_are_included() -> None:
    acme = customer("acme", quota(10, period=Period.DAY))
    use(acme, 9, at=NOON)
    tomorrow = NOON + timedelta(days=1)
    assert quota_windows(as_of=tomorrow, looked_back_to=tomorrow, percent_min=80) == (1, [])
    _, windows = quota_windows(as_of=tomorrow, looked_back_to=NOON, percent_min=80)
    assert [window.first_day for window in windows] == [date(2026, 3, 10)]
