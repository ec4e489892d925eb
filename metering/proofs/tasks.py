"""The scheduled tasks of proofs. Each returns its result in a few words; its run is recorded."""

from django.utils import timezone

from metering.proofs.services.jobs import run_ledger_proof, run_signing


def sign_days(started_by: str = "schedule") -> str:
    """Sign the days that are over."""
    return str(run_signing(started_by=started_by, as_of=timezone.now()).outcome)


def verify_ledgers(started_by: str = "schedule") -> str:
    """Verify every ledger by its signed days."""
    found = run_ledger_proof(started_by=started_by, as_of=timezone.now())
    return f"{found.ledgers} ledgers, {len(found.breaks)} breaks"
