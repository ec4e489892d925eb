"""The nightly jobs of the ledger: each leaves a run that records what it found."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.models import JobOutcome, JobRun, Tenant
from accounts.services.jobs import queue_job
from metering.domain.ledger import TENANT_SCOPE
from metering.models import IngestVerdict, Meter, UsageHour
from metering.services import nightly
from metering.services.limits.reservations import reserve
from metering.tasks import rebuild_usage_of, reconcile_ledgers
from tests.metering.ledger_world import ledger_of, make_tenant, send
from tests.metering.services.limits.limit_world import caller_on_plan

pytestmark = pytest.mark.django_db
AS_OF = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


@pytest.fixture
def alice() -> Tenant:
    tenant = make_tenant("alice")
    send(ledger_of(tenant), [{"id": "a", "type": "http_request"}], as_of=AS_OF)
    return tenant


def latest(name: str) -> JobRun:
    return JobRun.objects.filter(name=name).latest("started_at", "pk")


def test_agreement_of_rollups_and_events_is_recorded(alice: Tenant) -> None:
    assert nightly.run_reconciliation(started_by="schedule", as_of=AS_OF).is_clean
    run = latest("reconciliation")
    assert (run.outcome, run.summary) == (JobOutcome.SUCCEEDED, {"ledgers": 2, "hours": 2, "days": 2, "drifts": 0})


def test_a_drift_needs_attention_and_is_named_and_not_repaired(alice: Tenant) -> None:
    UsageHour.objects.filter(tenant_id=alice.pk).update(quantity=7)
    assert reconcile_ledgers("kim").endswith("2 drifts")
    run = latest("reconciliation")
    assert (run.outcome, run.started_by, run.summary["drifts"]) == (JobOutcome.ATTENTION, "kim", 2)
    assert str(alice.pk) in run.summary["first"][0]
    assert set(UsageHour.objects.values_list("quantity", flat=True)) == {Decimal(7)}


def test_many_drifts_are_counted_and_the_first_are_kept(alice: Tenant) -> None:
    hours = [
        {"id": f"h{n}", "type": "http_request", "timestamp": (AS_OF - timedelta(hours=n)).isoformat()}
        for n in range(30)
    ]
    send(ledger_of(alice), hours, as_of=AS_OF)
    UsageHour.objects.filter(tenant_id=alice.pk).update(events=99)
    nightly.run_reconciliation(started_by="schedule", as_of=AS_OF)
    summary = latest("reconciliation").summary
    assert summary["drifts"] == 60
    assert len(summary["first"]) == nightly.DRIFTS_KEPT_MAX


def test_comparing_one_tenant_does_not_count_as_the_nightly_comparison(alice: Tenant) -> None:
    make_tenant("bob")
    assert nightly.run_reconciliation(started_by="kim", as_of=AS_OF, slugs=["alice"]).ledgers == 2
    assert not JobRun.objects.filter(name="reconciliation").exists()
    assert latest("reconciliation of some").summary["tenants"] == ["alice"]


def test_partitions_reach_back_as_far_as_the_longest_window(alice: Tenant) -> None:
    make_tenant("bob", backfill_days=400)
    as_of = datetime(2041, 6, 15, tzinfo=UTC)
    made = nightly.run_partitions(started_by="schedule", as_of=as_of).summary["made"]
    assert (made[0], made[-1]) == ("2040-05", "2041-09")
    assert nightly.run_partitions(started_by="schedule", as_of=as_of).summary == {"made": []}


def test_partitions_are_created_before_there_is_a_tenant() -> None:
    made = nightly.run_partitions(started_by="start", as_of=datetime(2051, 6, 15, tzinfo=UTC)).summary["made"]
    assert made == ["2051-04", "2051-05", "2051-06", "2051-07", "2051-08", "2051-09"]


def store_counter(alice: Tenant, *, used: int, period_start: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO limit_counter (tenant_id, is_live, scope_id, meter_id, period_start, period_end, used, "
            "is_ready)"
            " VALUES (%s, true, %s, %s, %s, %s, %s, true)",
            [
                alice.pk, TENANT_SCOPE, Meter.objects.get(code="api_requests").pk, period_start,
                period_start + timedelta(days=1), used,
            ],
        )  # fmt: skip


def test_a_drifted_limit_counter_is_corrected_and_reported(alice: Tenant, settings: Settings) -> None:
    settings.REDIS_URL = ""  # the counter that differs is planted in PostgreSQL
    today = datetime(2026, 3, 10, tzinfo=UTC)
    store_counter(alice, used=5, period_start=today)
    store_counter(alice, used=5, period_start=today - timedelta(days=3))
    run = nightly.run_limit_comparison(started_by="schedule", as_of=AS_OF)
    nothing = {"reservations_expired": 0, "reservations_deleted": 0}
    assert (run.outcome, run.summary) == (JobOutcome.ATTENTION, {"counters": 1, "set_right": 1, "ended": 1} | nothing)
    again = nightly.run_limit_comparison(started_by="schedule", as_of=AS_OF)
    assert (again.outcome, again.summary) == (
        JobOutcome.SUCCEEDED,
        {"counters": 1, "set_right": 0, "ended": 0} | nothing,
    )


def test_a_reservation_that_nobody_met_again_is_ended_by_the_job(settings: Settings) -> None:
    settings.REDIS_URL = ""
    caller = caller_on_plan(AS_OF)
    reserve(
        principal=caller.principal,
        tenant=caller.tenant,
        event=caller.event(AS_OF),
        expires_in_seconds=5,
        as_of=AS_OF - timedelta(seconds=5),
    )
    expired = [
        nightly.run_limit_comparison(started_by="schedule", as_of=AS_OF).summary["reservations_expired"]
        for _ in range(2)
    ]
    assert expired == [1, 0]
    later = AS_OF + timedelta(days=31)
    assert nightly.run_limit_comparison(started_by="schedule", as_of=later).summary["reservations_deleted"] == 1


def test_verdicts_older_than_a_week_are_deleted(alice: Tenant) -> None:
    for days in (1, 6, 8, 30):
        IngestVerdict.objects.create(
            tenant_id=alice.pk,
            is_live=True,
            received_at=AS_OF - timedelta(days=days),
            verdict="rejected",
            code="x",
            detail="x",
        )
    assert nightly.run_verdict_clean_up(started_by="schedule", as_of=AS_OF).summary == {"verdicts": 2}
    assert IngestVerdict.objects.count() == 2


def test_a_task_recomputes_the_days_of_a_tenant(alice: Tenant) -> None:
    run = queue_job(name="rebuild", started_by="test", as_of=AS_OF, summary={"tenant": alice.slug})
    UsageHour.objects.filter(tenant_id=alice.pk).delete()
    assert rebuild_usage_of(str(alice.pk), run.pk) == "succeeded"
    assert UsageHour.objects.filter(tenant_id=alice.pk).exists()
