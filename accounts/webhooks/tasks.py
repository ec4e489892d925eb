"""The scheduled task of webhooks: sends what is due, in case that no sender of its own runs."""

from datetime import timedelta
from typing import Final

from django.utils import timezone

from accounts.webhooks.services.sending import run_webhooks

# Other jobs wait for the same worker.
TIME_MAX: Final = timedelta(seconds=20)


def send_webhooks(started_by: str = "schedule") -> str:
    """Send the webhooks that are due, for a few seconds at most. Return the outcome in a word."""
    started_at = timezone.now()
    run = run_webhooks(
        started_by=started_by,
        as_of=started_at,
        clock=timezone.now,
        is_over=lambda: timezone.now() >= started_at + TIME_MAX,
    )
    return str(run.outcome)
