"""Scheduled tasks of notices. Each returns its outcome in a word; its run is recorded."""

from django.utils import timezone

from accounts.notices.services.mails import run_mails


def send_mails(started_by: str = "schedule") -> str:
    """Send the mails that are due."""
    return str(run_mails(started_by=started_by, as_of=timezone.now()).outcome)
