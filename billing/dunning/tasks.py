"""The task of dunning, which its schedule and the admin start."""

from django.utils import timezone

from billing.dunning.services import running


def run_dunning(started_by: str = "schedule") -> str:
    """Charge, mail, suspend and cancel what is due by the schedules."""
    return str(running.run_dunning(started_by=started_by, as_of=timezone.now()).outcome)
