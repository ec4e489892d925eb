"""The page *Health of the books*: one line says whether money may be trusted, and each number links to its rows."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Discrepancy, JobOutcome, JobRun
from config.operations.schedules import PLANNED_JOBS, ensure_schedules
from tests.metering.retention_world import let_go

pytestmark = pytest.mark.django_db


def difference() -> Discrepancy:
    now = timezone.now()
    return Discrepancy.objects.create(
        found_by="reconciliation", subject="usage_hour", code="drift", detail="3 is not 4.", opened_at=now, seen_at=now
    )


def test_one_line_of_the_page_says_whether_money_may_be_trusted(as_robin: Client) -> None:
    url = reverse("admin:books")
    ensure_schedules(as_of=timezone.now())
    assert "have not been checked yet" in as_robin.get(url).content.decode()
    now = timezone.now()
    JobRun.objects.bulk_create(
        JobRun(name=job.name, started_at=now, finished_at=now, outcome=JobOutcome.SUCCEEDED) for job in PLANNED_JOBS
    )
    assert "The books are in order" in as_robin.get(url).content.decode()
    difference()
    text = as_robin.get(url).content.decode()
    assert "Do not trust the books yet" in text
    assert "Usage that differs from the ledger: 1" in text


def test_the_page_shows_the_raw_events_horizon_and_what_deletion_waits_for(as_robin: Client) -> None:
    url = reverse("admin:books")
    page = as_robin.get(url).content.decode()
    assert "Raw events" in page
    assert "Deleted before <span>none" in page
    let_go([])
    now = timezone.now()
    reasons = {"waits": ["2026-04: acme is not invoiced"], "wrong": ["INV-1: usage"]}
    JobRun.objects.create(
        name="retention", started_at=now, finished_at=now, outcome=JobOutcome.ATTENTION, summary=reasons
    )
    page = as_robin.get(url).content.decode()
    assert "Deleted before <span>2026-04-01, on 2026-08-04" in page
    assert "acme is not invoiced" in page
    assert "INV-1: usage" in page


@pytest.mark.takes_long("it opens every list")
def test_each_number_links_to_a_list_that_opens(as_robin: Client) -> None:
    difference()
    response = as_robin.get(reverse("admin:books"))
    shown = [row for _, rows in response.context["groups"] for row in rows]
    assert {as_robin.get(row.url).status_code for row in shown} == {200}
    [wrong] = [row for row in shown if row.figure.label == ("check", "reconciliation")]
    assert "usage_hour" in as_robin.get(wrong.url).content.decode()


def test_customers_and_staff_without_the_right_do_not_see_the_page_of_books(as_alice: Client) -> None:
    assert as_alice.get(reverse("admin:books")).status_code == 302


def test_a_difference_is_accepted_with_a_reason(as_robin: Client) -> None:
    row = difference()
    url = reverse("admin:accounts_discrepancy_change", args=[row.pk]).replace("change/", "accept/")
    assert "3 is not 4." in as_robin.get(url).content.decode()
    assert as_robin.post(url, {"reason": "Known.", "seen": "3 is not 5."}).status_code == 302
    assert Discrepancy.objects.open().exists(), "another one was seen"
    as_robin.post(url, {"reason": "Known.", "seen": "3 is not 4."})
    assert not Discrepancy.objects.open().exists()
    assert AuditEntry.objects.filter(action="discrepancy.accepted").count() == 1
    assert "Accepted" in as_robin.get(reverse("admin:accounts_discrepancy_changelist")).content.decode()
