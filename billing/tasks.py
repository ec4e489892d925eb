"""The tasks that schedules and the admin run in the task cluster.

Each returns its outcome as a word; its run is recorded.
"""

from uuid import UUID

from django.utils import timezone

from billing.selectors.invoicing.due import Due
from billing.services.documents import deliveries
from billing.services.invoicing.running import run_invoicing_job
from billing.services.subscriptions import trials
from billing.services.subscriptions.standing import run_overdue
from metering.domain.periods import YearMonth

SCHEDULE = "schedule"


def run_invoicing(started_by: str = SCHEDULE, month: str | None = None, tenant_ids: list[str] | None = None) -> str:
    """Draft the invoices that are due, and finalize those whose grace is over.

    All, or those of a month and of some tenants.
    """
    due = Due(
        tenant_ids=None if tenant_ids is None else tuple(UUID(tenant_id) for tenant_id in tenant_ids),
        month=None if month is None else YearMonth.parse(month),
    )
    _, run = run_invoicing_job(started_by=started_by, as_of=timezone.now(), due=due)
    return f"{run.drafted} drafted, {run.finalized} finalized, {len(run.parked)} parked"


def refresh_overdue(started_by: str = SCHEDULE) -> str:
    """Set subscriptions past due whose invoices are unpaid too long."""
    return str(run_overdue(started_by=started_by, as_of=timezone.now()).outcome)


def announce_trial_ends(started_by: str = SCHEDULE) -> str:
    """Queue the mails that announce ends of trials."""
    return str(trials.run_trials(started_by=started_by, as_of=timezone.now()).outcome)


def deliver_documents(started_by: str = SCHEDULE) -> str:
    """Render the PDFs of documents that were issued, and queue their mails."""
    return str(deliveries.run_deliveries(started_by=started_by, as_of=timezone.now()).outcome)
