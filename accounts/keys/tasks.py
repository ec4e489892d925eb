"""The scheduled tasks of keys. Each returns its result in a few words; its run is recorded."""

from django.utils import timezone

from accounts.keys.services.expiry import run_key_expiries


def announce_key_expiries(started_by: str = "schedule") -> str:
    """Send notices of keys that expire soon."""
    return str(run_key_expiries(started_by=started_by, as_of=timezone.now()).outcome)
