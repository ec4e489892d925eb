"""The demo's budgets, own thresholds, anomalies and predicted crossings."""

from datetime import timedelta

import pytest

from accounts.models import Tenant
from config.workbench.demo.cast import MAIN_TENANT
from config.workbench.demo.told_in_time import add_findings, ensure_own_limits
from metering.alerts.models import OwnThreshold, ThresholdAlert
from metering.models import Budget, Meter
from tests.metering.alerts.alert_world import OPERATOR, customer, quota
from tests.metering.alerts.anomaly_world import steady_hours, store_hours
from tests.metering.alerts.crossing_world import MID_MONTH

pytestmark = pytest.mark.django_db


def test_the_main_customer_has_limits_of_its_own_once() -> None:
    tenant = customer(MAIN_TENANT)
    for _ in range(2):
        ensure_own_limits(tenant=tenant, actor=OPERATOR, as_of=MID_MONTH)
    assert sorted(Budget.objects.values_list("currency", "limit", "period")) == [
        ("", 500, "day"),
        (tenant.currency, 10_000, "billing"),
    ]
    assert OwnThreshold.objects.count() == 2


def test_what_is_unusual_and_what_will_be_used_up_is_found_once() -> None:
    tenant: Tenant = customer(MAIN_TENANT, quota(30_000, meter="api_requests"))
    spike = MID_MONTH - timedelta(hours=1)
    store_hours(
        tenant, Meter.objects.get(code="api_requests"), steady_hours(90, until=MID_MONTH, changed={spike: 2000})
    )
    for _ in range(2):
        add_findings(tenants=[tenant], as_of=MID_MONTH)
    found = set(ThresholdAlert.objects.values_list("kind", flat=True))
    assert found == {"anomaly", "forecast"}
    assert ThresholdAlert.objects.filter(kind="anomaly").count() == 1
    assert not ThresholdAlert.objects.filter(occurred_at__gt=MID_MONTH).exists()
