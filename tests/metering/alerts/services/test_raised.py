"""An alert that a pass has inserted."""

import pytest

from metering.alerts.services.monitoring import monitor_thresholds
from tests.metering.alerts.alert_world import NOON, customer, quota, use

pytestmark = pytest.mark.django_db


def test_all_alerts_of_a_quota_and_period_share_what_identifies_it() -> None:
    use(customer("acme", quota(100)), 100, at=NOON)
    raised = monitor_thresholds(as_of=NOON).alerts
    assert len(raised) == 3
    assert len({alert.quota for alert in raised}) == 1
