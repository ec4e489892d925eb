"""The ledgers of tenants, and rebuilds of usage that are under way."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from accounts.models import JobOutcome, JobRun, Tenant
from metering.domain.ledger import Ledger

REBUILD_JOB: Final = "rebuild"


def rebuild_under_way(*, slug: str) -> JobRun | None:
    """Return the latest rebuilding of a tenant's usage if it waits, runs or has failed."""
    latest = JobRun.objects.filter(name=REBUILD_JOB, summary__tenant=slug).first()
    return None if latest is None or latest.outcome == JobOutcome.SUCCEEDED else latest


def ledgers(*, slugs: list[str] | None = None, tenant_ids: list[UUID] | None = None) -> Iterator[Ledger]:
    """Yield the live and the test half of each tenant, or of the named ones."""
    tenants = Tenant.objects.order_by("slug")
    if slugs:
        tenants = tenants.filter(slug__in=slugs)
    if tenant_ids is not None:
        tenants = tenants.filter(pk__in=tenant_ids)
    for tenant_id, time_zone, backfill_days in tenants.values_list("pk", "time_zone", "backfill_days"):
        for is_live in (True, False):
            yield Ledger(tenant_id=tenant_id, is_live=is_live, time_zone=time_zone, backfill_days=backfill_days)
