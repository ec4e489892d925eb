"""Usage plans in the admin: the service writes them, and the page shows what it would refuse."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.domain.actor import Actor
from accounts.models import AuditEntry, User
from metering.models import EventType, Meter, UsagePlan
from metering.services.usage_plans import assign_usage_plan
from tests.metering.ledger_world import make_tenant

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
Row = tuple[str, str, str, bool]


def quota_rows(*rows: Row, stored: int = 0) -> dict[str, str]:
    """Return the rows of the page: meter, period, limit, whether it is hard."""
    data = {"quotas-TOTAL_FORMS": str(len(rows)), "quotas-INITIAL_FORMS": str(stored)}
    data |= {"throttles-TOTAL_FORMS": "0", "throttles-INITIAL_FORMS": "0"}
    for number, (meter, period, limit, is_hard) in enumerate(rows):
        meter_id = Meter.objects.get(code=meter).pk
        data |= {f"quotas-{number}-meter": str(meter_id), f"quotas-{number}-period": period}
        data |= {f"quotas-{number}-scope": "tenant"}
        data |= {f"quotas-{number}-limit": limit} | ({f"quotas-{number}-is_hard": "on"} if is_hard else {})
    return data


def plan_form(*rows: Row, **changes: str) -> dict[str, str]:
    own = {"code": "starter", "name": "Starter", "throttle_rate": "10", "throttle_burst": "20"}
    return own | changes | quota_rows(*rows)


def add(client: Client, *rows: Row, **changes: str) -> Any:
    return client.post(reverse("admin:metering_usageplan_add"), plan_form(*rows, **changes))


def entries() -> list[str]:
    return list(AuditEntry.objects.filter(target_kind="usage_plan").order_by("pk").values_list("action", flat=True))


def test_a_usage_plan_is_created_by_the_service_in_one_entry(as_robin: Client) -> None:
    response = add(as_robin, ("api_requests", "month", "1000", True), ("api_bytes", "day", "2.5", False))
    assert response.status_code == 302, response.context["adminform"].form.errors
    plan = UsagePlan.objects.get(code="starter")
    assert plan.quotas.count() == 2
    entry = AuditEntry.objects.get(action="usage_plan.created")
    assert (entry.target_id, entry.actor_label) == (str(plan.pk), "robin@example.org")
    assert entry.after["quotas"] == ["2.5 api_bytes a day, soft", "1000 api_requests a month, hard"]


def test_the_newest_default_usage_plan_replaces_the_last(as_robin: Client) -> None:
    UsagePlan.objects.filter(is_default=True).update(is_default=False)
    add(as_robin, is_default="on")
    response = add(as_robin, code="second", name="Second", is_default="on")
    assert response.status_code == 302, response.context["adminform"].form.errors
    assert list(UsagePlan.objects.filter(is_default=True).values_list("code", flat=True)) == ["second"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"code": "With Blanks"}, "code"),
        ({"throttle_rate": ""}, "__all__"),
        ({"throttle_burst": "0"}, "throttle_burst"),
        ({"throttle_rate": "2000000"}, "throttle_rate"),
    ],
)
def test_terms_that_the_service_would_refuse_are_shown_beside_their_field(
    changes: dict[str, str], field: str, as_robin: Client
) -> None:
    response = add(as_robin, **changes)
    assert field in response.context["adminform"].form.errors
    assert not UsagePlan.objects.filter(name="Starter").exists()


def test_an_invalid_quota_is_shown_in_its_row(as_robin: Client) -> None:
    response = add(as_robin, ("api_requests", "month", "5", True), ("api_bytes", "month", "-1", True))
    formset, _ = response.context["inline_admin_formsets"]
    assert [list(errors) for errors in formset.formset.errors] == [[], ["limit"]]


def throttle_rows(*rows: tuple[str, str, str]) -> dict[str, str]:
    data = {"throttles-TOTAL_FORMS": str(len(rows)), "throttles-INITIAL_FORMS": "0"}
    event_type = str(EventType.objects.get(code="http_request").pk)
    for number, (scope, of_type, rate) in enumerate(rows):
        data |= {f"throttles-{number}-scope": scope, f"throttles-{number}-event_type": event_type if of_type else ""}
        data |= {f"throttles-{number}-rate": rate, f"throttles-{number}-burst": "20"}
    return data


def test_a_plan_limits_each_subject_and_each_event_type(as_robin: Client) -> None:
    quotas = {**plan_form(("api_requests", "week", "5", True)), "quotas-0-scope": "subject"}
    form = quotas | throttle_rows(("subject", "", "3"), ("tenant", "http_request", "4"))
    assert as_robin.post(reverse("admin:metering_usageplan_add"), form).status_code == 302
    plan = UsagePlan.objects.get(code="starter")
    assert plan.quotas.get().terms_in_words == "a week for each subject, hard"
    listed = as_robin.get(reverse("admin:metering_usageplan_changelist")).content.decode()
    assert "10/s, burst 20; 3/s, burst 20 for each subject; 4/s, burst 20 http_request only" in listed
    assert entries() == ["usage_plan.created"]


def test_staff_of_billing_change_all_of_a_plan_and_no_one_loses_rows_unseen(as_robin: Client) -> None:
    form = plan_form(("api_requests", "month", "5", True)) | throttle_rows(("subject", "", "3"))
    assert as_robin.post(reverse("admin:metering_usageplan_add"), form).status_code == 302
    plan = UsagePlan.objects.get(code="starter")
    billing, client = Group.objects.get(name="Billing"), Client()
    bo = User.objects.create_user("bo@example.org", None, name="Bo", is_staff=True)
    bo.groups.add(billing)
    client.force_login(bo, backend="django.contrib.auth.backends.ModelBackend")
    address = reverse("admin:metering_usageplan_change", args=[plan.pk])
    stored = quota_rows(("api_requests", "month", "6", True), stored=1)
    stored |= {"quotas-0-id": str(plan.quotas.get().pk), "quotas-0-usage_plan": str(plan.pk)}
    stored |= throttle_rows(("subject", "", "3")) | {"throttles-INITIAL_FORMS": "1"}
    stored |= {"throttles-0-id": str(plan.throttles.get().pk), "throttles-0-usage_plan": str(plan.pk)}
    changed = {"name": "Renamed", "throttle_rate": "10", "throttle_burst": "20"} | stored
    assert client.post(address, changed).status_code == 302
    billing.permissions.remove(*billing.permissions.filter(codename__endswith="_usageplanthrottle"))
    assert client.post(address, changed | {"name": "Lost"}).status_code == 403
    plan.refresh_from_db()
    assert (plan.name, plan.quotas.get().limit, plan.throttles.count()) == ("Renamed", 6, 1)


def test_a_throttle_of_all_requests_is_the_plans_own(as_robin: Client) -> None:
    response = as_robin.post(reverse("admin:metering_usageplan_add"), plan_form() | throttle_rows(("tenant", "", "3")))
    _, formset = response.context["inline_admin_formsets"]
    assert list(formset.formset.errors[0]) == ["__all__"]
    assert "The throttle of all requests is the plan" in response.content.decode()


def test_a_meter_has_one_quota_a_period(as_robin: Client) -> None:
    response = add(as_robin, ("api_requests", "month", "5", True), ("api_requests", "month", "6", True))
    assert response.status_code == 200
    assert entries() == []


def test_a_quota_is_removed(as_robin: Client) -> None:
    add(as_robin, ("api_requests", "month", "5", True))
    plan = UsagePlan.objects.get(code="starter")
    quota = plan.quotas.get()
    form = plan_form(("api_requests", "month", "5", True)) | {
        "quotas-INITIAL_FORMS": "1", "quotas-0-id": str(quota.pk), "quotas-0-usage_plan": str(plan.pk),
        "quotas-0-DELETE": "on",
    }  # fmt: skip
    assert as_robin.post(reverse("admin:metering_usageplan_change", args=[plan.pk]), form).status_code == 302
    assert not plan.quotas.exists()
    assert entries() == ["usage_plan.created", "usage_plan.updated"]


def test_a_usage_plan_without_tenants_is_deleted_and_another_stays(as_robin: Client) -> None:
    for code in ("free", "used"):
        add(as_robin, code=code, name=code)
    used = UsagePlan.objects.get(code="used")
    assign_usage_plan(tenant=make_tenant("acme"), usage_plan=used, actor=Actor.system(), as_of=NOW)
    for plan in (UsagePlan.objects.get(code="free"), used):
        as_robin.post(reverse("admin:metering_usageplan_delete", args=[plan.pk]), {"post": "yes"})
    assert list(UsagePlan.objects.filter(code__in=["free", "used"])) == [used]
    assert entries() == ["usage_plan.created", "usage_plan.created", "usage_plan.deleted"]
