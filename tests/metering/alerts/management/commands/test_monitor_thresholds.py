"""`manage.py monitor_thresholds` and the task print what they found."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import JobRun
from metering.alerts.tasks import monitor_thresholds
from tests.metering.alerts.alert_world import customer, quota, use

pytestmark = pytest.mark.django_db


def output_of(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("monitor_thresholds", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_monitor_thresholds_names_each_new_alert() -> None:
    acme, _ = customer("acme", quota(100)), customer("rival", quota(100))
    use(acme, "80.5", at=timezone.now())
    month = timezone.now().date().replace(day=1)

    assert output_of("--tenant", "rival") == ["1 tenant checked, 0 new alerts"]
    assert output_of() == [
        f"acme: 80 % of tokens in the month from {month}, 80.5 of 100",
        "2 tenants checked, 1 new alert",
    ]
    assert output_of() == ["2 tenants checked, 0 new alerts"]
    assert {run.started_by for run in JobRun.objects.all()} == {"command"}


def test_an_unknown_tenant_is_refused() -> None:
    with pytest.raises(CommandError, match="does not exist"):
        output_of("--tenant", "unknown")


def test_the_task_of_thresholds_returns_a_summary() -> None:
    use(customer("acme", quota(100)), 100, at=timezone.now())
    assert monitor_thresholds() == "3 alerts"
    assert JobRun.objects.get(name="alerts").started_by == "schedule"
