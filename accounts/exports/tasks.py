"""What schedules and a request have the task cluster do."""

from django.utils import timezone

from accounts.exports.services.making import run_exports


def make_exports(started_by: str = "schedule") -> str:
    """Make the exports that are asked for, and return the outcome."""
    return str(run_exports(started_by=started_by, as_of=timezone.now()).outcome)
