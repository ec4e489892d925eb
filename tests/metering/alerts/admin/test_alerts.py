"""Threshold alerts in the admin: read, filtered, and checked now."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, JobRun, User
from accounts.notices.models import OutboundMail
from accounts.notices.selectors.preferences import tenant_wants
from metering.alerts.domain.alerts import USAGE_ALERT
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import monitor_thresholds
from tests.metering.alerts.alert_world import customer, quota, use

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/thresholdalert/"
CHECK = f"{LIST}check_now/"


def staff_client(email: str, *, group: str = "") -> Client:
    if group:
        user = User.objects.create_user(email, None, is_staff=True)
        user.groups.add(Group.objects.get(name=group))
    else:
        user = User.objects.create_superuser(email, None)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def robin(db: None) -> Client:
    return staff_client("robin@example.org")


def test_the_list_of_alerts_is_filtered_and_searched(robin: Client) -> None:
    now = timezone.now()
    for slug, quantity in (("acme", 130), ("rival", 80)):
        use(customer(slug, quota(100)), quantity, at=now)
    monitor_thresholds(as_of=now)

    page = robin.get(LIST).content.decode()
    assert "130 of 100 tokens" in page
    assert "Check thresholds now" in page
    for query, expected in (("threshold=80", 2), ("threshold=100", 1), ("threshold=x", 4), ("q=rival", 1)):
        assert len(robin.get(f"{LIST}?{query}").context["cl"].result_list) == expected
    alert = ThresholdAlert.objects.first()
    assert alert is not None
    one = reverse("admin:alerts_thresholdalert_change", args=[alert.pk])
    assert robin.get(one).status_code == 200
    assert robin.post(one, {"threshold": 80}).status_code == 403
    assert robin.get(f"{LIST}add/").status_code == 403


def test_the_list_takes_as_many_queries_for_many_alerts_as_for_one(robin: Client) -> None:
    now = datetime(2026, 3, 10, tzinfo=UTC)
    acme = customer("acme", quota(100))

    def queries() -> int:
        robin.get(LIST)
        with CaptureQueriesContext(connection) as captured:
            assert robin.get(LIST).status_code == 200
        return len(captured)

    use(acme, 80, at=now)
    monitor_thresholds(as_of=now)
    for_one = queries()
    for months in range(1, 8):
        later = now + timedelta(days=31 * months)
        use(acme, 100, at=later)
        use(customer(f"t{months}", quota(10)), 10, at=later)
        monitor_thresholds(as_of=later)
    assert ThresholdAlert.objects.count() > 30
    assert queries() == for_one


def test_staff_check_thresholds_after_a_confirmation(robin: Client) -> None:
    use(customer("acme", quota(100)), 96, at=timezone.now())

    assert b"Check thresholds now?" in robin.get(CHECK).content
    assert not ThresholdAlert.objects.exists()
    answer = robin.post(CHECK, follow=True)

    assert b"2 new alerts in 1 tenant with quotas." in answer.content
    assert OutboundMail.objects.count() == 1
    assert JobRun.objects.get(name="alerts").started_by == "robin@example.org"
    assert AuditEntry.objects.get(action="alerts.checked").actor_label == "robin@example.org"


def test_staff_who_only_read_cannot_send_alert_mails(robin: Client) -> None:
    pat = staff_client("pat@example.org", group="Read-only")
    assert pat.post(CHECK).status_code == 403
    assert not JobRun.objects.exists()


def test_staff_turn_a_tenants_alert_mails_off_and_on_after_a_confirmation(robin: Client) -> None:
    acme = customer("acme", quota(100))
    page = f"/admin/accounts/tenant/{acme.pk}/set_usage_alerts/"

    for verb, is_wanted in (("off", False), ("on", True)):
        asked = robin.get(page).content.decode()
        assert f"Turn usage alerts by e-mail {verb} for" in asked
        assert f'value="{verb}"' in asked
        robin.get(page)
        assert tenant_wants(tenant_id=acme.pk, kind=USAGE_ALERT) is not is_wanted, "to look changes nothing"
        for _ in range(2):  # the second click of two colleagues requests the same, and undoes nothing
            said = robin.post(page, {"wanted": verb}, follow=True).content.decode()
            assert f"Usage alerts by e-mail are {verb} for" in said
        assert tenant_wants(tenant_id=acme.pk, kind=USAGE_ALERT) is is_wanted
    entries = AuditEntry.objects.filter(action="tenant.usage_alerts_set", tenant_id=acme.pk)
    assert [entry.actor_label for entry in entries] == ["robin@example.org"] * 2


def test_staff_who_only_read_cannot_turn_alert_mails_off(robin: Client) -> None:
    acme = customer("acme", quota(100))
    pat = staff_client("pat@example.org", group="Read-only")

    assert pat.post(f"/admin/accounts/tenant/{acme.pk}/set_usage_alerts/", {"wanted": "off"}).status_code == 403
    assert tenant_wants(tenant_id=acme.pk, kind=USAGE_ALERT)
