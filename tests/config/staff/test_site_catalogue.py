"""The catalogue and the jobs, as staff change and run them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Task

from accounts.models import AuditEntry
from config.operations.schedules import ensure_schedules
from metering.models import Meter, UsagePlan
from tests.config.staff.entries import latest_entry

pytestmark = pytest.mark.django_db


# Catalogue


def meter_form(**changes: str) -> dict[str, str]:
    event_type = Meter.objects.get(code="api_requests").event_type_id
    return {
        "code": "errors", "name": "Errors", "unit": "requests", "event_type": str(event_type), "aggregation": "count",
        "value_property": "", "dimensions": "status", "filters": '{"status": ["500", "503"]}',
    } | changes  # fmt: skip


def test_a_new_meter_counts_some_seconds_later_and_leaves_an_audit_entry(as_robin: Client) -> None:
    before = timezone.now()
    response = as_robin.post(reverse("admin:metering_meter_add"), meter_form())
    assert response.status_code == 302, response.context["adminform"].form.errors
    meter = Meter.objects.get(code="errors")
    assert meter.counts_from >= before + timedelta(seconds=5)
    assert meter.filters == {"status": ["500", "503"]}
    entry = latest_entry()
    assert (entry.action, entry.after["dimensions"]) == ("meter.created", ["status"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filters", '{"status": "500"}'),
        ("filters", '["500"]'),
        ("filters", '{"status": []}'),
        ("dimensions", "a,a"),
        ("value_property", "bytes"),
        ("code", "With Blanks"),
    ],
)
def test_a_meter_that_could_not_count_is_refused_with_a_message(field: str, value: str, as_robin: Client) -> None:
    response = as_robin.post(reverse("admin:metering_meter_add"), meter_form(**{field: value}))
    assert field in response.context["adminform"].form.errors


def test_the_rule_of_a_meter_that_counts_is_fixed(as_robin: Client) -> None:
    meter = Meter.objects.get(code="api_requests")
    url = reverse("admin:metering_meter_change", args=[meter.pk])
    as_robin.post(url, meter_form(name="Requests", aggregation="sum", code="other"))
    meter.refresh_from_db()
    assert (meter.name, meter.code, meter.aggregation, meter.filters) == ("Requests", "api_requests", "count", {})
    assert latest_entry().after == {"name": "Requests"}
    assert as_robin.post(reverse("admin:metering_meter_delete", args=[meter.pk]), {"post": "yes"}).status_code == 403


def test_changing_a_plans_quota_leaves_an_audit_entry(as_robin: Client, small_plan: UsagePlan) -> None:
    quota = small_plan.quotas.get()
    form = {
        "name": "Small", "quotas-TOTAL_FORMS": "1", "quotas-INITIAL_FORMS": "1", "quotas-0-id": str(quota.pk),
        "quotas-0-usage_plan": str(small_plan.pk), "quotas-0-meter": str(quota.meter_id), "quotas-0-period": "month",
        "quotas-0-limit": "25", "quotas-0-is_hard": "on", "quotas-0-scope": "tenant",
        "throttles-TOTAL_FORMS": "0", "throttles-INITIAL_FORMS": "0",
    }  # fmt: skip
    response = as_robin.post(reverse("admin:metering_usageplan_change", args=[small_plan.pk]), form)
    assert response.status_code == 302
    quota.refresh_from_db()
    assert quota.limit == 25
    entry = latest_entry()
    assert (entry.action, entry.target_label) == ("usage_plan.updated", "small")
    assert (entry.before["quotas"], entry.after["quotas"]) == (
        ["10 api_requests a month, hard"], ["25 api_requests a month, hard"],
    )  # fmt: skip


# Jobs


def test_schedules_are_run_paused_and_resumed(as_kim: Client) -> None:
    ensure_schedules(as_of=timezone.now())
    url = reverse("admin:django_q_schedule_changelist")
    schedule = Schedule.objects.get(name="reconciliation")
    chosen = {"_selected_action": [schedule.pk]}
    as_kim.post(url, chosen | {"action": "run_now"})
    (waiting,) = OrmQ.objects.all()
    assert waiting.func() == "metering.tasks.reconcile_ledgers"
    as_kim.post(url, chosen | {"action": "pause"})
    assert Schedule.objects.get(pk=schedule.pk).repeats == 0
    as_kim.post(url, chosen | {"action": "resume"})
    assert Schedule.objects.get(pk=schedule.pk).repeats == -1
    actions = list(AuditEntry.objects.filter(target_kind="job").order_by("pk").values_list("action", flat=True))
    assert actions == ["job.started", "job.paused", "job.resumed"]


def test_readers_do_not_run_schedules(as_pat: Client) -> None:
    ensure_schedules(as_of=timezone.now())
    schedule = Schedule.objects.get(name="reconciliation")
    as_pat.post(reverse("admin:django_q_schedule_changelist"), {"_selected_action": [schedule.pk], "action": "run_now"})
    assert not OrmQ.objects.exists()


def test_a_failed_task_is_run_again_once(as_kim: Client) -> None:
    now = timezone.now()
    task = Task.objects.create(
        id=uuid4().hex, name="nightly", func="metering.tasks.make_partitions", args=("schedule",), started=now,
        stopped=now,
        success=False, result="Traceback\nOperationalError: gone",
    )  # fmt: skip
    url = reverse("admin:django_q_failure_changelist")
    assert "OperationalError: gone" in as_kim.get(url).text
    as_kim.post(url, {"_selected_action": [task.pk], "action": "retry"})
    assert not Failure.objects.exists()
    (waiting,) = OrmQ.objects.all()
    assert (waiting.func(), waiting.task["args"]) == ("metering.tasks.make_partitions", ("schedule",))


def test_the_groups_of_staff_are_created_by_migrations() -> None:
    assert set(Group.objects.values_list("name", flat=True)) >= {"Support", "Billing", "Read-only"}
    readers = Group.objects.get(name="Read-only").permissions.values_list("codename", flat=True)
    assert all(codename.startswith("view_") and codename != "view_as_customer" for codename in readers)
