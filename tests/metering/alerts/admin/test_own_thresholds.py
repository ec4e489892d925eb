"""Own thresholds in the admin: read, never changed."""

import pytest
from django.urls import reverse

from tests.metering.alerts.admin.test_alerts import staff_client
from tests.metering.alerts.alert_world import customer, quota
from tests.metering.alerts.services.test_own_thresholds import at

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/ownthreshold/"


@pytest.mark.parametrize("group", ["", "Read-only"])
def test_staff_see_the_thresholds_of_customers(group: str) -> None:
    acme = customer("acme", quota(10))
    at(acme, 50)
    threshold = at(acme, quantity="5000")
    staff = staff_client("robin@example.org", group=group)
    page = staff.get(LIST).content.decode()
    assert ("50 %" in page, "5,000 tokens" in page) == (True, True)
    one = reverse("admin:alerts_ownthreshold_change", args=[threshold.pk])
    assert staff.get(one).status_code == 200
    assert staff.post(one, {"threshold": 51}).status_code == 403
    assert staff.get(f"{LIST}add/").status_code == 403
