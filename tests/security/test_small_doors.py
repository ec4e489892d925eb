"""Smaller dangers: closing a tenant for good, hostile cursors, and work that a request must not do."""

import json
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone
from django_q.models import Schedule

from accounts.domain.pages import PageRequest, RowPosition, write_cursor
from accounts.domain.roles import Role
from accounts.models import JobRun, Membership, Tenant, User
from metering.models import UsageDay
from metering.services.tenants import REBUILD_TASK
from metering.tasks import rebuild_usage_of
from tests.isolation.world import BACKEND, Estate, make_estate, make_user
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_tenant, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db: None) -> Tenant:
    return make_tenant("acme")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def staff_of(group: str) -> Client:
    user = make_user(f"{group.lower()}@countinghouse.example")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return signed_in(user)


def patch(client: Client, **change: str) -> int:
    answer = client.patch("/api/v1/operator/tenants/acme", json.dumps(change), "application/json")
    return answer.status_code


def test_support_staff_cannot_close_a_tenant(acme: Tenant) -> None:
    support = staff_of("Support")
    assert patch(support, status="closed", status_reason="Gave notice.") == 403
    assert support.post(f"/admin/accounts/tenant/{acme.pk}/close/", {"reason": "x"}).status_code == 403
    assert Tenant.objects.get().status == "active"
    assert patch(support, status="suspended", status_reason="Unpaid.") == 200
    assert patch(support, status="active") == 200


def test_closing_a_tenant_needs_a_reason(acme: Tenant) -> None:
    billing = staff_of("Billing")
    assert patch(billing, status="closed") == 422
    assert patch(billing, status="closed", status_reason=" ") == 422
    assert Tenant.objects.get().status == "active"
    assert patch(billing, status="closed", status_reason="Gave notice.") == 200
    assert Tenant.objects.get().status == "closed"


@pytest.fixture
def estate() -> Estate:
    return make_estate("acme")


HOSTILE_IDS = ("abc", "", "0", "not-a-uuid", "ff", "9" * 200, "\u0661", "-1")


@pytest.mark.takes_long("it opens every list")
def test_no_cursor_breaks_a_page(estate: Estate) -> None:
    client, now = estate.client(), timezone.now()
    cursors = [write_cursor(PageRequest(50, RowPosition(now, row_id))) for row_id in HOSTILE_IDS]
    cursors += ["abc", "%", "W10", "__", f"{now.isoformat()}_zz_{now.isoformat()}_1", f"{now.isoformat()}_ab__0"]
    pages = (f"/t/acme/invoices/{estate.invoice.number}/lines/1/events/", "/t/acme/events/")
    wrong = [
        (page, cursor)
        for page in pages
        for cursor in cursors
        if client.get(page, {"cursor": cursor}).status_code not in {200, 404}
    ]
    assert wrong == []


def days() -> set[date]:
    return set(UsageDay.objects.values_list("day", flat=True))


def test_a_new_time_zone_is_processed_by_a_job_with_a_state(acme: Tenant) -> None:
    alice = make_user("alice@acme.example")
    Membership.objects.create(tenant=acme, user=alice, role=Role.OWNER, created_at=LONG_AGO)
    late = (timezone.now() - timedelta(days=1)).replace(hour=23, minute=30)  # a day later on Kiritimati
    send(ledger_of(acme), [{"id": "one", "type": "http_request", "timestamp": late.isoformat()}], as_of=timezone.now())
    assert days() == {late.date()}
    client = signed_in(alice)

    saved = client.post("/t/acme/settings/", {"name": "Acme", "time_zone": "Pacific/Kiritimati", "currency": "EUR"})

    assert saved.status_code == 302
    assert days() == {late.date()}, "the request rebuilds nothing"
    run, queued = JobRun.objects.get(name="rebuild"), Schedule.objects.get(func=REBUILD_TASK)
    assert (run.outcome, run.summary["state"], run.summary["tenant"]) == ("running", "waits in the queue", "acme")
    assert queued.next_run > timezone.now() + timedelta(seconds=1), "when no process remembers the old zone"
    assert "Daily usage is being rebuilt for Pacific/Kiritimati" in client.get("/t/acme/usage/").content.decode()
    JobRun.objects.filter(pk=run.pk).update(outcome="failed", finished_at=timezone.now())
    assert "Daily usage could not be rebuilt" in client.get("/t/acme/settings/").content.decode()

    assert rebuild_usage_of(str(acme.pk), run.pk) == "succeeded"
    assert rebuild_usage_of(str(acme.pk), run.pk) == "succeeded", "a task may come twice"

    run.refresh_from_db()
    assert days() == {late.date() + timedelta(days=1)}
    assert run.summary == {"tenant": "acme", "time_zone": "Pacific/Kiritimati", "rows": UsageDay.objects.count()}
    assert "being rebuilt" not in client.get("/t/acme/usage/").content.decode()
