"""Each job leaves a row that says what it did. The nightly clean-up deletes what has expired."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command

from accounts.domain.job_report import JobReport
from accounts.models import IdempotencyRecord, Invitation, JobRun, Tenant, User
from accounts.services import clean_up as cleaning
from accounts.services.jobs import run_job
from accounts.tasks import clean_up


def test_a_job_records_what_it_did(db: None, now: datetime) -> None:
    run = run_job(name="count", started_by="test", as_of=now, work=lambda: JobReport({"rows": 3}))
    run.refresh_from_db()
    assert (run.outcome, run.summary, run.started_at) == ("succeeded", {"rows": 3}, now)
    assert run.finished_at is not None
    assert timedelta(0) <= run.finished_at - now < timedelta(seconds=5)


def test_a_job_may_need_attention(db: None, now: datetime) -> None:
    assert (
        run_job(name="x", started_by="t", as_of=now, work=lambda: JobReport({}, needs_attention=True)).outcome
        == "attention"
    )


def test_a_failed_job_records_its_error_and_raises(db: None, now: datetime) -> None:
    def work() -> JobReport:
        raise ZeroDivisionError("no divisor" * 100)

    with pytest.raises(ZeroDivisionError):
        run_job(name="x", started_by="t", as_of=now, work=work)
    run = JobRun.objects.get()
    assert run.outcome == "failed"
    assert run.summary["error"].startswith("ZeroDivisionError: no divisor")
    assert len(run.summary["error"]) == 500


def fill(acme: Tenant, alice: User, now: datetime) -> None:
    for position, age in enumerate((timedelta(days=91), -timedelta(days=91))):
        ends = now - age
        session = Session.objects.create(session_key=f"s{position}", session_data="", expire_date=ends)
        UserSession.objects.create(user=alice, session_key=session.pk, ip="192.0.2.1", user_agent="")
        JobRun.objects.create(name="old", started_at=ends)
        for number in range(3):
            IdempotencyRecord.objects.create(
                scope_id=uuid4(),
                key=str(number),
                request_digest=b"",
                status=201,
                body=b"",
                created_at=ends,
                expires_at=ends,
            )
            Invitation.objects.create(
                tenant=acme, email=f"{position}-{number}@example.com", role="viewer", token_digest=uuid4().bytes,
                created_at=ends, expires_at=ends,
            )  # fmt: skip


def test_clean_up_deletes_expired_rows_and_keeps_the_rest(
    acme: Tenant, alice: User, now: datetime, clean_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "BATCH_ROWS", 2)
    fill(acme, alice, now)
    expected = {
        "idempotency_records": 3,
        "sessions": 1,
        "session_facts": 1,
        "invitations": 3,
        "key_addresses": 0,
        "key_refusals": 0,
        "cache_rows": 0,
        "job_runs": 1,
        "mails": 0,
        "exports": 0,
        "export_files": 0,
        "webhook_deliveries": 0,
        "channel_messages": 0,
        "notices": 0,
    }
    assert cleaning.clean_up(as_of=now).summary == expected
    assert cleaning.clean_up(as_of=now).summary == dict.fromkeys(expected, 0)
    assert [IdempotencyRecord.objects.count(), Session.objects.count(), Invitation.objects.count()] == [3, 1, 3]


def test_clean_up_deletes_expired_entries_of_the_database_cache(
    clean_cache: None, now: datetime, settings: Any
) -> None:
    settings.CACHES = {"default": {"BACKEND": cleaning.DATABASE_CACHE, "LOCATION": "cache"}}
    cache.set("lasts", 1, timeout=60)
    cache.set("ends", 1, timeout=30)
    assert cleaning.clean_up(as_of=now + timedelta(seconds=45)).summary["cache_rows"] == 1
    assert (cache.get("lasts"), cache.get("ends")) == (1, None)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert cleaning.clean_up(as_of=now + timedelta(days=1)).summary["cache_rows"] == 0


def test_the_command_and_the_task_do_the_same_and_leave_their_rows(acme: Tenant, alice: User, now: datetime) -> None:
    fill(acme, alice, now)
    output = StringIO()
    call_command("clean_up", stdout=output)
    assert output.getvalue().startswith("3 idempotency records, 1 sessions")
    assert clean_up() == "succeeded"
    assert list(JobRun.objects.filter(name="clean_up").values_list("started_by", flat=True)) == [
        "schedule",
        "manage.py",
    ]


def test_of_a_job_that_runs_each_minute_only_the_last_success_is_kept_for_long(
    acme: Tenant, now: datetime, clean_cache: None
) -> None:
    def make(name: str, outcome: str, days: int) -> int:
        at = now - timedelta(days=days)
        return JobRun.objects.create(name=name, outcome=outcome, started_at=at, finished_at=at).pk

    gone = make("mails", "succeeded", 5)
    kept = {
        make("mails", "succeeded", 4),  # the last one
        make("mails", "failed", 6),
        make("alerts", "attention", 6),
        make("alerts", "succeeded", 6),
        make("invoicing", "succeeded", 2),
        make("invoicing", "succeeded", 1),
    }
    cleaning.clean_up(as_of=now)
    assert gone not in set(JobRun.objects.values_list("pk", flat=True))
    assert kept <= set(JobRun.objects.values_list("pk", flat=True))
