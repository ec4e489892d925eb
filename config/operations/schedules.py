"""What runs by itself, and when: the one list of planned jobs, and the rows of django-q2 that make them run.

A malformed row would stop every schedule, so rows are written by `ensure_schedules` alone; the admin shows, runs and
pauses them. Times are UTC. Each run leaves a `JobRun`, whoever started it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from croniter import croniter
from django.db import connection, transaction
from django_q.models import Schedule
from django_q.tasks import async_task

from accounts.models import JobOutcome, JobRun

SCHEDULES_LOCK: Final = 7310468203
LATENESS_MAX: Final = timedelta(minutes=15)
_DAILY: Final = timedelta(hours=26)
_HOURLY: Final = timedelta(hours=3)
_BY_THE_MINUTE: Final = timedelta(minutes=15)

# How django-q2 counts: none are left, and without an end.
REPEATS_WHEN_PAUSED: Final = 0
REPEATS_FOR_EVER: Final = -1


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job by the name under which its runs are recorded; later than `age_max` after its last start it is overdue."""

    name: str
    title: str
    task: str
    cron: str
    age_max: timedelta


PLANNED_JOBS: Final = (
    PlannedJob("partitions", "Make partitions ahead", "metering.tasks.make_partitions", "10 0 * * *", _DAILY),
    PlannedJob(
        "reconciliation", "Reconcile usage with the ledger", "metering.tasks.reconcile_ledgers", "30 2 * * *", _DAILY
    ),
    PlannedJob("limits", "Compare limits with the ledger", "metering.tasks.compare_limits", "20 * * * *", _HOURLY),
    PlannedJob("verdicts", "Delete old verdicts", "metering.tasks.clean_up_verdicts", "40 3 * * *", _DAILY),
    PlannedJob("clean_up", "Delete what has expired", "accounts.tasks.clean_up", "50 3 * * *", _DAILY),
    PlannedJob("viewings", "End viewings that are over", "accounts.tasks.end_viewings", "*/5 * * * *", _BY_THE_MINUTE),
    PlannedJob("invoicing", "Draft and finalize invoices", "billing.tasks.run_invoicing", "*/10 * * * *", _HOURLY),
    PlannedJob(
        "verification",
        "Verify invoices from the raw ledger",
        "billing.verification.tasks.verify_invoices",
        "40 4 * * *",
        _DAILY,
    ),
    PlannedJob(
        "retention", "Delete raw events by their term", "billing.verification.tasks.let_events_go", "40 5 * * *", _DAILY
    ),
    PlannedJob("overdue", "See who is past due", "billing.tasks.refresh_overdue", "50 * * * *", _HOURLY),
    PlannedJob("tax_ids", "Check VAT numbers", "billing.taxation.tasks.check_tax_ids", "35 * * * *", _HOURLY),
    PlannedJob("documents", "Make PDFs", "billing.tasks.deliver_documents", "* * * * *", _BY_THE_MINUTE),
    PlannedJob("mails", "Send mails", "accounts.notices.tasks.send_mails", "* * * * *", _BY_THE_MINUTE),
    PlannedJob("exports", "Make exports", "accounts.exports.tasks.make_exports", "* * * * *", _BY_THE_MINUTE),
    PlannedJob(
        "alerts",
        "Check thresholds of quotas",
        "metering.alerts.tasks.monitor_thresholds",
        "*/5 * * * *",
        _BY_THE_MINUTE,
    ),
    PlannedJob(
        "inbox", "Process providers' events", "billing.collection.tasks.process_inbox", "* * * * *", _BY_THE_MINUTE
    ),
    PlannedJob(
        "collection",
        "Collect through payment providers",
        "billing.collection.tasks.collect",
        "*/5 * * * *",
        _BY_THE_MINUTE,
    ),
    PlannedJob(
        "usage_push", "Push usage to payment providers", "billing.collection.tasks.push_usage", "5 * * * *", _HOURLY
    ),
)


@transaction.atomic
def ensure_schedules(*, as_of: datetime) -> list[str]:
    """Make the rows of all planned jobs, one each; answers the names of those that were new or changed.

    A paused schedule stays paused. Machines that start together take turns.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEDULES_LOCK])
    rows: dict[str, Schedule] = {}
    for row in Schedule.objects.filter(name__in=[job.name for job in PLANNED_JOBS]).order_by("pk"):
        if row.name in rows:
            row.delete()
        else:
            rows[row.name] = row
    return [job.name for job in PLANNED_JOBS if _ensure(job, rows.get(job.name), as_of)]


def _ensure(job: PlannedJob, row: Schedule | None, as_of: datetime) -> bool:
    if row is not None and (row.func, row.cron, row.schedule_type) == (job.task, job.cron, Schedule.CRON):
        return False
    row = row or Schedule(name=job.name, repeats=REPEATS_FOR_EVER)
    row.func, row.cron, row.schedule_type = job.task, job.cron, Schedule.CRON
    row.args = row.kwargs = row.hook = None
    row.save()
    # Set after the row exists: django-q2 computes it for a new cron row itself, by its own clock instead of `as_of`.
    row.next_run = croniter(job.cron, as_of).get_next(datetime)
    row.save(update_fields=["next_run"])
    return True


def planned_job(name: str) -> PlannedJob | None:
    """The planned job of this name."""
    return next((job for job in PLANNED_JOBS if job.name == name), None)


def run_soon(*, job: PlannedJob, started_by: str) -> str:
    """Have the task cluster run a job as soon as it can; answers the task's id."""
    task_id: str = async_task(
        job.task, started_by, group=job.name, task_name=f"{job.name}, asked for by {started_by}"[:100]
    )
    return task_id


def pause(schedule: Schedule) -> None:
    """Let a job rest until it is resumed."""
    Schedule.objects.filter(pk=schedule.pk).update(repeats=REPEATS_WHEN_PAUSED)


def resume(schedule: Schedule) -> None:
    """Let a job run by itself again."""
    Schedule.objects.filter(pk=schedule.pk).update(repeats=REPEATS_FOR_EVER)


def latest_runs() -> Mapping[str, JobRun]:
    """The latest run of each job that ever ran, by name."""
    runs = JobRun.objects.order_by("name", "-started_at", "-pk").distinct("name")
    return {run.name: run for run in runs}


@dataclass(frozen=True, slots=True)
class JobState:
    """A planned job with its latest run."""

    job: PlannedJob
    run: JobRun | None
    is_overdue: bool

    @property
    def needs_attention(self) -> bool:
        """Whether somebody should look at it: late, failed, or it found something."""
        return self.is_overdue or (
            self.run is not None and self.run.outcome in {JobOutcome.FAILED, JobOutcome.ATTENTION}
        )


def job_states(*, as_of: datetime) -> list[JobState]:
    """Every planned job, with what became of it the last time."""
    runs = latest_runs()
    due = dict(Schedule.objects.filter(name__in=[job.name for job in PLANNED_JOBS]).values_list("name", "next_run"))
    return [
        JobState(job, runs.get(job.name), _is_overdue(job, runs.get(job.name), due.get(job.name), as_of))
        for job in PLANNED_JOBS
    ]


def _is_overdue(job: PlannedJob, run: JobRun | None, due_at: datetime | None, as_of: datetime) -> bool:
    """Late after its last run; one that never ran is late when its first time has passed, or when nothing plans it."""
    if run is None:
        return due_at is None or due_at < as_of - LATENESS_MAX
    return run.started_at < as_of - job.age_max
