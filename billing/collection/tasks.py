"""What schedules and the admin have the task cluster do. Each answers in a word what became of it; its run is recorded."""

from django.utils import timezone

from billing.collection.services import collecting, inbox, usage_push

SCHEDULE = "schedule"


def process_stripe_inbox(started_by: str = SCHEDULE) -> str:
    """Process Stripe's events that wait, also those that failed and are due again."""
    return str(inbox.run_inbox(started_by=started_by, as_of=timezone.now()).outcome)


def process_stripe_events() -> str:
    """The same as soon as one came in, without a row in the list of runs: there may be hundreds an hour."""
    run = inbox.process_inbox(as_of=timezone.now())
    return f"{run.processed} processed, {run.ignored} ignored, {len(run.failed)} failed"


def collect_through_stripe(started_by: str = SCHEDULE) -> str:
    """Hand unpaid invoices to Stripe, take back what is settled, and tell Stripe of cancellations."""
    return str(collecting.run_collection(started_by=started_by, as_of=timezone.now()).outcome)


def push_usage(started_by: str = SCHEDULE) -> str:
    """Push the totals of the hours that changed to Stripe's meters."""
    return str(usage_push.run_usage_push(started_by=started_by, as_of=timezone.now()).outcome)
