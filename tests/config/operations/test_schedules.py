"""Scheduled jobs: their rows are created once, by whatever process; each run is recorded; late ones are reported."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ, Schedule

from accounts.models import JobOutcome, JobRun
from config.operations.schedules import PLANNED_JOBS, PlannedJob, ensure_schedules, job_states, planned_job, run_soon

AS_OF = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def output_of(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_every_scheduled_job_has_one_row_that_croniter_reads() -> None:
    assert ensure_schedules(as_of=AS_OF) == [job.name for job in PLANNED_JOBS]
    rows = {row.name: row for row in Schedule.objects.all()}
    assert set(rows) == {job.name for job in PLANNED_JOBS}
    for job in PLANNED_JOBS:
        rows[job.name].full_clean()
        assert AS_OF < rows[job.name].next_run <= AS_OF + timedelta(days=1)
        assert rows[job.name].calculate_next_run() is not None


@pytest.mark.django_db
def test_creating_schedules_again_changes_nothing() -> None:
    ensure_schedules(as_of=AS_OF)
    before = list(Schedule.objects.order_by("pk").values())
    assert ensure_schedules(as_of=AS_OF + timedelta(hours=1)) == []
    assert list(Schedule.objects.order_by("pk").values()) == before


@pytest.mark.django_db
def test_a_changed_or_doubled_schedule_is_corrected_and_a_paused_one_stays_paused() -> None:
    ensure_schedules(as_of=AS_OF)
    Schedule.objects.filter(name="limits").update(cron="nonsense", args="(broken", repeats=0)
    Schedule.objects.create(name="limits", func="somewhere.else", schedule_type=Schedule.DAILY)
    assert ensure_schedules(as_of=AS_OF) == ["limits"]
    row = Schedule.objects.get(name="limits")
    assert (row.func, row.args, row.repeats) == ("metering.tasks.compare_limits", None, 0)


@pytest.mark.django_db
def test_schedules_of_other_applications_are_unchanged() -> None:
    Schedule.objects.create(name="theirs", func="their.task", schedule_type=Schedule.ONCE)
    ensure_schedules(as_of=AS_OF)
    assert Schedule.objects.filter(name="theirs").exists()


def ensure_over_a_connection_of_its_own(_: int) -> list[str]:
    try:
        return ensure_schedules(as_of=AS_OF)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_machines_that_start_together_make_one_row_each() -> None:
    with ThreadPoolExecutor(6) as machines:
        made = list(machines.map(ensure_over_a_connection_of_its_own, range(6)))
    assert sorted(made, key=len)[:-1] == [[]] * 5
    assert sorted(Schedule.objects.values_list("name", flat=True)) == sorted(job.name for job in PLANNED_JOBS)


@pytest.mark.django_db
@pytest.mark.parametrize("job", PLANNED_JOBS, ids=lambda job: job.name)
def test_each_job_runs_by_command_and_is_recorded(job: PlannedJob) -> None:
    name = job.name
    assert name in output_of("run_job", name)
    run = JobRun.objects.get(name=name)
    assert run.outcome == JobOutcome.SUCCEEDED
    assert run.started_by == "command"
    assert run.finished_at is not None


@pytest.mark.django_db
def test_each_job_is_a_function_that_takes_who_started_it() -> None:
    for job in PLANNED_JOBS:
        import_string(job.task)("someone")
    assert set(JobRun.objects.values_list("started_by", flat=True)) == {"someone"}


@pytest.mark.django_db
def test_a_job_started_in_the_admin_waits_in_the_queue() -> None:
    job = planned_job("verdicts")
    assert job is not None
    run_soon(job=job, started_by="staff@example.org")
    (waiting,) = OrmQ.objects.all()
    assert waiting.func() == job.task
    assert waiting.task["args"] == ("staff@example.org",)


@pytest.mark.django_db
def test_a_job_is_late_when_it_should_have_run_and_did_not() -> None:
    ensure_schedules(as_of=AS_OF)
    assert not any(state.is_overdue for state in job_states(as_of=AS_OF))
    assert all(state.is_overdue for state in job_states(as_of=AS_OF + timedelta(days=2)))
    later = AS_OF + timedelta(days=2)
    JobRun.objects.create(
        name="limits", started_at=later - timedelta(hours=1), finished_at=later, outcome=JobOutcome.SUCCEEDED
    )
    assert {state.job.name for state in job_states(as_of=later) if not state.is_overdue} == {"limits"}


@pytest.mark.django_db
def test_a_job_without_a_row_is_late() -> None:
    assert all(state.is_overdue for state in job_states(as_of=AS_OF))


@pytest.mark.django_db
def test_a_job_that_found_something_needs_attention() -> None:
    now = timezone.now()
    ensure_schedules(as_of=now)
    JobRun.objects.create(name="reconciliation", started_at=now, finished_at=now, outcome=JobOutcome.ATTENTION)
    (state,) = [state for state in job_states(as_of=now) if state.needs_attention]
    assert state.job.name == "reconciliation"


@pytest.mark.django_db
def test_partitions_are_created_for_named_months() -> None:
    assert output_of("ensure_partitions", "--first", "2031-01", "--last", "2031-03").strip() == (
        "partitions created: 2031-01, 2031-02, 2031-03"
    )
    assert output_of("ensure_partitions", "--first", "2031-02").strip() == "partitions created: none"


@pytest.mark.django_db
def test_invalid_months_are_refused() -> None:
    with pytest.raises(CommandError, match="not a month"):
        call_command("ensure_partitions", "--first", "2031-13")
    with pytest.raises(CommandError, match="--last needs --first"):
        call_command("ensure_partitions", "--last", "2031-12")
