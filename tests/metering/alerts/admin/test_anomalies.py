"""Anomalies in the admin: read, never changed."""

from datetime import timedelta

import pytest
from django.urls import reverse

from metering.alerts.models import AcceptedAnomaly
from metering.alerts.services.monitoring import monitor_thresholds
from tests.metering.alerts.admin.test_alerts import staff_client
from tests.metering.alerts.alert_world import NOON, customer, quota, use
from tests.metering.alerts.anomaly_world import make_anomaly

pytestmark = pytest.mark.django_db
LIST, DAY = "/admin/alerts/anomalyalert/", timedelta(days=1)


@pytest.mark.parametrize("group", ["", "Read-only", "Support", "Billing"])
def test_staff_see_anomalies_with_what_was_expected_and_whether_they_are_fine(group: str) -> None:
    acme = customer("acme", quota(10))
    use(acme, 20, at=NOON)
    monitor_thresholds(as_of=NOON)
    fine, other = make_anomaly(acme, NOON), make_anomaly(acme, NOON - DAY, pattern="drop")
    AcceptedAnomaly.objects.create(alert=fine, tenant=acme, accepted_at=NOON)
    staff = staff_client("robin@example.org", group=group)

    answer = staff.get(LIST)

    assert list(answer.context["cl"].result_list) == [fine, other]
    page = answer.content.decode()
    assert ("700 requests" in page, "Spike" in page, "Drop" in page) == (True, True, True)
    one = reverse("admin:alerts_anomalyalert_change", args=[fine.pk])
    assert staff.get(one).status_code == 200
    assert staff.post(one, {"pattern": "drop"}).status_code == 403
