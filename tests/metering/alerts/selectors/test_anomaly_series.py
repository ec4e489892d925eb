"""The points around an anomaly, by hour and by day."""

import pytest

from metering.alerts.selectors.anomaly_series import DAYS_BEFORE, HOURS_AFTER, HOURS_BEFORE, anomaly_series
from metering.models import Meter
from tests.metering.alerts.anomaly_world import DAY, HOUR, MONDAY, make_anomaly, steady_hours, store_hours
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db
NOON = MONDAY + 12 * HOUR


def test_points_end_with_the_running_hour_and_are_zero_without_usage() -> None:
    acme = make_tenant("acme")
    alert = make_anomaly(acme, NOON)
    assert {point.seen for point in anomaly_series(alert=alert, time_zone="UTC", as_of=NOON).points} == {0}
    store_hours(acme, Meter.objects.get(code="api_requests"), steady_hours(40, until=NOON + 9 * DAY))
    now = anomaly_series(alert=alert, time_zone="UTC", as_of=NOON)
    later = anomaly_series(alert=alert, time_zone="UTC", as_of=NOON + 2 * DAY)
    assert (len(now.points), len(later.points)) == (HOURS_BEFORE + 1, HOURS_BEFORE + HOURS_AFTER)
    assert [point.start for point in later.points if point.is_unusual] == [NOON]


def test_a_whole_day_is_among_the_days_of_all_keys() -> None:
    acme = make_tenant("acme")
    store_hours(acme, Meter.objects.get(code="api_requests"), steady_hours(40, until=MONDAY + DAY))
    series = anomaly_series(alert=make_anomaly(acme, MONDAY, pattern="rise"), time_zone="UTC", as_of=NOON)
    assert len(series.points) == DAYS_BEFORE + 1
    assert [(point.seen, point.expected) for point in series.points if point.is_unusual] == [(1056, 1056)]
