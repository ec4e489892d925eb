"""The tasks of collection, which schedules, the webhook and the admin start.

Each returns its result in a few words; its run is recorded.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from accounts.domain.numbers import counted
from billing.collection.services import collecting, fetching, inbox, reconciling, usage_push
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.running import run_invoicing

SCHEDULE = "schedule"


def process_inbox(started_by: str = SCHEDULE) -> str:
    """Process waiting events of providers, also those that failed and are due again."""
    as_of = timezone.now()
    outcome, run = inbox.run_inbox(started_by=started_by, as_of=as_of)
    invoice_and_collect(run.tenant_ids, as_of)
    return outcome


def process_delivered() -> str:
    """Process events as soon as one is delivered, without a row in the list of runs: there may be hundreds an hour."""
    as_of = timezone.now()
    run = inbox.process_inbox(as_of=as_of)
    invoice_and_collect(run.tenant_ids, as_of)
    return f"{run.processed} processed, {run.ignored} ignored, {len(run.failed)} failed"


def invoice_and_collect(tenant_ids: Collection[UUID], as_of: datetime) -> None:
    """Draft and collect due invoices now, so that the customer does not wait for the first one.

    The schedules find them by their state, too.
    """
    if tenant_ids:
        run_invoicing(as_of=as_of, due=Due(tenant_ids=tenant_ids))
        collecting.collect_due(as_of=as_of, tenant_ids=tenant_ids)


def collect(started_by: str = SCHEDULE) -> str:
    """Push unpaid invoices to payment providers, void settled ones there, and push cancellations."""
    return str(collecting.run_collection(started_by=started_by, as_of=timezone.now()).outcome)


def push_usage(started_by: str = SCHEDULE) -> str:
    """Push the totals of changed hours to providers that keep meters."""
    return str(usage_push.run_usage_push(started_by=started_by, as_of=timezone.now()).outcome)


def reconcile_payments(started_by: str = SCHEDULE) -> str:
    """Compare our books with those of payment providers, and keep what differs as findings."""
    done = reconciling.run_reconciliation(started_by=started_by, as_of=timezone.now())
    return f"{counted(done.compared, 'objects')} compared, {counted(done.found, 'differences')}"


def fetch_events(started_by: str = SCHEDULE) -> str:
    """Fetch the events that payment providers sent and that never arrived."""
    return str(fetching.run_fetch(started_by=started_by, as_of=timezone.now()).outcome)
