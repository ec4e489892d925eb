"""What schedules and the admin have the task cluster do. Each answers in a word what became of it; its run is recorded."""

from django.utils import timezone

from billing.services import mails

SCHEDULE = "schedule"


def send_mails(started_by: str = SCHEDULE) -> str:
    """Send the mails that are due."""
    return str(mails.run_mails(started_by=started_by, as_of=timezone.now()).outcome)
