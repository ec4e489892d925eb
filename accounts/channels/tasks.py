"""The scheduled task of channels: sends what is due."""

from datetime import timedelta
from typing import Final

from django.utils import timezone

from accounts.channels.services.sending import run_channels

# Other jobs wait for the same worker.
TIME_MAX: Final = timedelta(seconds=20)


def send_channels(started_by: str = "schedule") -> str:
    """Send what is due to channels, for a few seconds at most. Return the outcome in a word."""
    started_at = timezone.now()
    run = run_channels(
        started_by=started_by,
        as_of=started_at,
        clock=timezone.now,
        is_over=lambda: timezone.now() >= started_at + TIME_MAX,
    )
    return str(run.outcome)
