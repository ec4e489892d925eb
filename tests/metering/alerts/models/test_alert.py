"""What the table of alerts refuses: an alert of any kind comes once, and has what its kind needs."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.domain.identifiers import uuid7
from metering.alerts.models import ThresholdAlert
from metering.models import Meter
from tests.metering.alerts.alert_world import NOON, TOKENS, customer, quota

pytestmark = pytest.mark.django_db

TODAY = date(2026, 3, 10)
OF_QUOTA: dict[str, Any] = {"quota_period": "month", "period_start_on": date(2026, 3, 1), "limit": 100}
OF_BUDGET: dict[str, Any] = OF_QUOTA | {"kind": "budget", "threshold": 80, "budget_id": uuid7(NOON)}
OF_ANOMALY: dict[str, Any] = {
    "kind": "anomaly",
    "period_start_on": TODAY,
    "window_start_at": NOON,
    "expected": 7,
    "quantity": 90,
    "pattern": "spike",
    "window_end_at": NOON + timedelta(hours=1),
}
OF_FORECAST: dict[str, Any] = {
    **OF_QUOTA,
    "kind": "forecast",
    "crosses_on": date(2026, 3, 22),
    "crosses_on_min": date(2026, 3, 20),
    "crosses_on_max": date(2026, 3, 25),
}


class Rows:
    """Rows of one tenant and meter."""

    def __init__(self) -> None:
        self.usual: dict[str, Any] = {"tenant": customer("acme", quota(100)), "occurred_at": NOON, "quantity": 81}
        self.usual["meter"] = Meter.objects.get(code=TOKENS)

    def add(self, **fields: Any) -> None:
        with transaction.atomic():
            ThresholdAlert.objects.create(**(self.usual | fields))

    def refuse(self, name: str, **fields: Any) -> None:
        with pytest.raises(IntegrityError, match=name):
            self.add(**fields)


def test_an_alert_of_each_kind_comes_once() -> None:
    rows, key = Rows(), uuid7(NOON)
    rows.add(threshold=80, **OF_QUOTA)
    rows.refuse("threshold_alert_once", threshold=80, **OF_QUOTA)
    rows.add(threshold=80, **(OF_QUOTA | {"limit": 200}))
    rows.add(threshold_quantity=80, **OF_QUOTA)
    rows.refuse("threshold_alert_of_quantity_once", threshold_quantity=80, **(OF_QUOTA | {"limit": 200}))
    rows.add(**OF_BUDGET)
    rows.refuse("budget_alert_once", **(OF_BUDGET | {"quantity": 99}))
    rows.add(**OF_ANOMALY)
    rows.refuse("anomaly_alert_once", **(OF_ANOMALY | {"quantity": 1}))
    rows.add(**OF_ANOMALY, api_key_id=key)
    rows.refuse("anomaly_alert_once", **OF_ANOMALY, api_key_id=key)
    rows.add(**OF_FORECAST)
    rows.refuse("forecast_alert_once", **(OF_FORECAST | {"limit": 200}))


def test_an_alert_has_what_its_kind_needs() -> None:
    rows = Rows()
    rows.refuse("alert_kind_known", kind="other")
    rows.refuse("threshold_alert_known", threshold=1001, **OF_QUOTA)
    rows.refuse("threshold_alert_whole", **OF_QUOTA)
    rows.refuse("threshold_alert_whole", threshold=80, threshold_quantity=80, **OF_QUOTA)
    for name in OF_QUOTA:
        rows.refuse(
            "threshold_alert_whole", threshold=80, **(OF_QUOTA | {name: "" if name == "quota_period" else None})
        )
    rows.refuse("forecast_alert_whole", **(OF_FORECAST | {"limit": None}))
    for wrong in ({"crosses_on": None}, {"crosses_on_min": date(2026, 3, 23)}, {"crosses_on_max": date(2026, 3, 21)}):
        rows.refuse("forecast_alert_has_days", **(OF_FORECAST | wrong))
    rows.refuse("anomaly_alert_pattern_known", **(OF_ANOMALY | {"pattern": "other"}))
    rows.refuse("anomaly_alert_pattern_known", **(OF_ANOMALY | {"window_end_at": NOON}))
    for missing in ({"budget_id": None}, {"threshold": None}, {"currency": "EUR"}, {"quota_period": ""}):
        rows.refuse("budget_alert_whole", **(OF_BUDGET | missing))
    for name in ("meter", "period_start_on", "window_start_at", "expected"):
        rows.refuse("anomaly_alert_whole", **(OF_ANOMALY | {name: None}))
