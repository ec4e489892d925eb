"""Tasks of exports, run by a schedule or on request."""

from django.utils import timezone

from accounts.exports.services.making import run_exports


def make_exports(started_by: str = "schedule") -> str:
    """Create the requested exports, and return the outcome."""
    return str(run_exports(started_by=started_by, as_of=timezone.now()).outcome)
