"""What schedules and the admin have the task cluster do."""

from django.utils import timezone

from accounts.domain.numbers import counted
from billing.verification.services.retention import run_retention
from billing.verification.services.running import run_verification

SCHEDULE = "schedule"


def verify_invoices(started_by: str = SCHEDULE) -> str:
    """Compute every finalized invoice again from the raw ledger."""
    found = run_verification(started_by=started_by, as_of=timezone.now())
    return f"{counted(found.verified, 'invoices')}, {counted(len(found.differences), 'differences')}"


def let_events_go(started_by: str = SCHEDULE) -> str:
    """Delete raw events whose term is over and that nothing needs any more."""
    return str(run_retention(started_by=started_by, as_of=timezone.now()).outcome)
