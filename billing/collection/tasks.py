"""What schedules, the webhook and the admin have the task cluster do.

Each returns in a word what became of it; its run is recorded.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from billing.collection.services import collecting, inbox, usage_push
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.running import run_invoicing

SCHEDULE = "schedule"


def process_inbox(started_by: str = SCHEDULE) -> str:
    """Process providers' events that wait, also those that failed and are due again."""
    as_of = timezone.now()
    outcome, run = inbox.run_inbox(started_by=started_by, as_of=as_of)
    invoice_and_collect(run.tenant_ids, as_of)
    return outcome


def process_delivered() -> str:
    """Process them as soon as one came in, without a row in the list of runs: there may be hundreds an hour."""
    as_of = timezone.now()
    run = inbox.process_inbox(as_of=as_of)
    invoice_and_collect(run.tenant_ids, as_of)
    return f"{run.processed} processed, {run.ignored} ignored, {len(run.failed)} failed"


def invoice_and_collect(tenant_ids: Collection[UUID], as_of: datetime) -> None:
    """Create and collect what is due now, so that nobody waits for the first invoice.

    The schedules find it by its state, too.
    """
    if tenant_ids:
        run_invoicing(as_of=as_of, due=Due(tenant_ids=tenant_ids))
        collecting.collect_due(as_of=as_of, tenant_ids=tenant_ids)


def collect(started_by: str = SCHEDULE) -> str:
    """Hand unpaid invoices to payment providers, take back what is settled, and tell them of cancellations."""
    return str(collecting.run_collection(started_by=started_by, as_of=timezone.now()).outcome)


def push_usage(started_by: str = SCHEDULE) -> str:
    """Push the totals of the hours that changed to providers that keep meters."""
    return str(usage_push.run_usage_push(started_by=started_by, as_of=timezone.now()).outcome)
