"""Planned jobs: their list, and the rows of django-q2 that run them.

A malformed row would stop every schedule, so only `ensure_schedules` writes rows; the admin shows, runs and pauses
them. Times are UTC. Each run leaves a `JobRun`, scheduled or started by hand.
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

# django-q2's counts of repeats: none left, and without end.
REPEATS_WHEN_PAUSED: Final = 0
REPEATS_FOR_EVER: Final = -1


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job by the name of its runs. It is overdue if its last start is longer ago than `age_max`."""

    name: str
    title: str
    task: str
    cron: str
    age_max: timedelta


PLANNED_JOBS: Final = (
    PlannedJob("partitions", "Create partitions ahead", "metering.tasks.make_partitions", "10 0 * * *", _DAILY),
    PlannedJob(
        "reconciliation", "Reconcile usage with the ledger", "metering.tasks.reconcile_ledgers", "30 2 * * *", _DAILY
    ),
    PlannedJob("signing", "Sign the ledger's days", "metering.proofs.tasks.sign_days", "20 0 * * *", _DAILY),
    PlannedJob(
        "ledger_proof",
        "Verify ledgers by their signed days",
        "metering.proofs.tasks.verify_ledgers",
        "10 3 * * *",
        _DAILY,
    ),
    PlannedJob("limits", "Compare limits with the ledger", "metering.tasks.compare_limits", "20 * * * *", _HOURLY),
    PlannedJob("meters", "Fill meters from earlier events", "metering.tasks.fill_meters", "* * * * *", _BY_THE_MINUTE),
    PlannedJob("verdicts", "Delete old verdicts", "metering.tasks.clean_up_verdicts", "40 3 * * *", _DAILY),
    PlannedJob("clean_up", "Delete expired rows", "accounts.tasks.clean_up", "50 3 * * *", _DAILY),
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
    PlannedJob("overdue", "Update who is past due", "billing.tasks.refresh_overdue", "50 * * * *", _HOURLY),
    PlannedJob("dunning", "Follow up unpaid invoices", "billing.dunning.tasks.run_dunning", "*/5 * * * *", _HOURLY),
    PlannedJob("trials", "Announce ends of trials", "billing.tasks.announce_trial_ends", "25 * * * *", _HOURLY),
    PlannedJob(
        "key_expiries", "Announce keys that expire", "accounts.keys.tasks.announce_key_expiries", "55 * * * *", _HOURLY
    ),
    PlannedJob("tax_ids", "Check VAT numbers", "billing.taxation.tasks.check_tax_ids", "35 * * * *", _HOURLY),
    PlannedJob("documents", "Create PDFs", "billing.tasks.deliver_documents", "* * * * *", _BY_THE_MINUTE),
    PlannedJob("mails", "Send mails", "accounts.notices.tasks.send_mails", "* * * * *", _BY_THE_MINUTE),
    PlannedJob("webhooks", "Send webhooks", "accounts.webhooks.tasks.send_webhooks", "* * * * *", _BY_THE_MINUTE),
    PlannedJob("channels", "Send to channels", "accounts.channels.tasks.send_channels", "* * * * *", _BY_THE_MINUTE),
    PlannedJob("exports", "Create exports", "accounts.exports.tasks.make_exports", "* * * * *", _BY_THE_MINUTE),
    PlannedJob(
        "alerts",
        "Check thresholds of quotas",
        "metering.alerts.tasks.monitor_thresholds",
        "* * * * *",
        _BY_THE_MINUTE,
    ),
    PlannedJob("anomalies", "Find unusual usage", "metering.alerts.tasks.find_anomalies", "7-59/10 * * * *", _HOURLY),
    PlannedJob(
        "crossings", "Predict used-up quotas", "metering.alerts.tasks.predict_crossings", "45 */6 * * *", _DAILY
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
        "provider_events",
        "Fetch missed events of payment providers",
        "billing.collection.tasks.fetch_events",
        "35 * * * *",
        _HOURLY,
    ),
    PlannedJob(
        "payments",
        "Reconcile with payment providers",
        "billing.collection.tasks.reconcile_payments",
        "20 5 * * *",
        _DAILY,
    ),
    PlannedJob(
        "usage_push", "Push usage to payment providers", "billing.collection.tasks.push_usage", "5 * * * *", _HOURLY
    ),
)


@transaction.atomic
def ensure_schedules(*, as_of: datetime) -> list[str]:
    """Create the rows of all planned jobs, one each. Return the names of those that were new or changed.

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
    """Return the planned job with this name, or None."""
    return next((job for job in PLANNED_JOBS if job.name == name), None)


def run_soon(*, job: PlannedJob, started_by: str) -> str:
    """Queue a job to run as soon as possible. Return the task's id."""
    task_id: str = async_task(
        job.task, started_by, group=job.name, task_name=f"{job.name}, requested by {started_by}"[:100]
    )
    return task_id


def pause(schedule: Schedule) -> None:
    """Pause a job until it is resumed."""
    Schedule.objects.filter(pk=schedule.pk).update(repeats=REPEATS_WHEN_PAUSED)


def resume(schedule: Schedule) -> None:
    """Resume a paused job."""
    Schedule.objects.filter(pk=schedule.pk).update(repeats=REPEATS_FOR_EVER)


def latest_runs() -> Mapping[str, JobRun]:
    """Return the latest run of each job that ever ran, by name."""
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
        """Return whether staff should look at it: it is late, failed, or found something."""
        return self.is_overdue or (
            self.run is not None and self.run.outcome in {JobOutcome.FAILED, JobOutcome.ATTENTION}
        )


def job_states(*, as_of: datetime) -> list[JobState]:
    """Return every planned job with its latest run."""
    runs = latest_runs()
    due = dict(Schedule.objects.filter(name__in=[job.name for job in PLANNED_JOBS]).values_list("name", "next_run"))
    return [
        JobState(job, runs.get(job.name), _is_overdue(job, runs.get(job.name), due.get(job.name), as_of))
        for job in PLANNED_JOBS
    ]


def _is_overdue(job: PlannedJob, run: JobRun | None, due_at: datetime | None, as_of: datetime) -> bool:
    """Return whether a job is late. A job that never ran is late after its first time, or without a schedule."""
    if run is None:
        return due_at is None or due_at < as_of - LATENESS_MAX
    return run.started_at < as_of - job.age_max
