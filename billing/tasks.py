"""What schedules and the admin have the task cluster do. Each answers in a word what became of it; its run is recorded."""

from django.utils import timezone

from billing.services import alerts, mails, schedule
from billing.services.invoicing.running import run_invoicing_job

SCHEDULE = "schedule"


def run_invoicing(started_by: str = SCHEDULE) -> str:
    """Draft the invoices that are due, and finalize those whose grace is over."""
    _, run = run_invoicing_job(started_by=started_by, as_of=timezone.now())
    return f"{run.drafted} drafted, {run.finalized} finalized, {len(run.parked)} parked"


def refresh_overdue(started_by: str = SCHEDULE) -> str:
    """See whose invoices are unpaid too long."""
    return str(schedule.run_overdue(started_by=started_by, as_of=timezone.now()).outcome)


def send_mails(started_by: str = SCHEDULE) -> str:
    """Send the mails that are due."""
    return str(mails.run_mails(started_by=started_by, as_of=timezone.now()).outcome)


def monitor_thresholds(started_by: str = SCHEDULE) -> str:
    """Raise the threshold alerts that are due."""
    return f"{len(alerts.run_monitor(started_by=started_by, as_of=timezone.now()).alerts)} alerts"
