"""The tasks of metering, which schedules and the admin start.

Each returns its result in a few words; its run is recorded.
"""

from uuid import UUID

from django.utils import timezone

from metering.services import nightly
from metering.services.meter_filling import run_meter_filling
from metering.services.tenants import run_rebuild

SCHEDULE = "schedule"


def make_partitions(started_by: str = SCHEDULE) -> str:
    """Create the event table's partitions ahead of time."""
    return str(nightly.run_partitions(started_by=started_by, as_of=timezone.now()).outcome)


def reconcile_ledgers(started_by: str = SCHEDULE, slugs: list[str] | None = None) -> str:
    """Compare the ledger with its rollups; a drift is recorded and never repaired silently."""
    found = nightly.run_reconciliation(started_by=started_by, slugs=slugs, as_of=timezone.now())
    return f"{found.ledgers} ledgers, {len(found.drifts)} drifts"


def compare_limits(started_by: str = SCHEDULE) -> str:
    """Set the counters of limits to the values of the ledger."""
    return str(nightly.run_limit_comparison(started_by=started_by, as_of=timezone.now()).outcome)


def fill_meters(started_by: str = SCHEDULE) -> str:
    """Fill the rollups of meters that count events from before their creation."""
    return str(run_meter_filling(started_by=started_by, as_of=timezone.now()).outcome)


def clean_up_verdicts(started_by: str = SCHEDULE) -> str:
    """Delete verdicts that the live debugger no longer shows."""
    return str(nightly.run_verdict_clean_up(started_by=started_by, as_of=timezone.now()).outcome)


def rebuild_usage_of(tenant_id: str, run_id: int) -> str:
    """Rebuild a tenant's daily usage, once every process knows its new time zone."""
    return str(run_rebuild(tenant_id=UUID(tenant_id), run_id=run_id, as_of=timezone.now()).outcome)
