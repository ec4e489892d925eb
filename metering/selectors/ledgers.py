"""The ledgers of tenants, and rebuilds of usage that are under way."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from accounts.domain.principal import TenantFacts
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
    for tenant in tenants.only("time_zone", "backfill_days", "period_anchor_on"):
        for is_live in (True, False):
            yield half_of(tenant, is_live=is_live)


def half_of(tenant: Tenant | TenantFacts, *, is_live: bool) -> Ledger:
    """Return the live or the test half of a tenant's ledger."""
    return Ledger(
        tenant_id=tenant.id,
        is_live=is_live,
        time_zone=tenant.time_zone,
        backfill_days=tenant.backfill_days,
        period_anchor_on=tenant.period_anchor_on,
    )
