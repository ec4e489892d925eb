"""Whose ledgers there are."""

from collections.abc import Iterator
from uuid import UUID

from accounts.models import Tenant
from metering.domain.ledger import Ledger


def ledgers(*, slugs: list[str] | None = None, tenant_ids: list[UUID] | None = None) -> Iterator[Ledger]:
    """The live and the test half of each tenant, or of those named."""
    tenants = Tenant.objects.order_by("slug")
    if slugs:
        tenants = tenants.filter(slug__in=slugs)
    if tenant_ids is not None:
        tenants = tenants.filter(pk__in=tenant_ids)
    for tenant_id, time_zone, backfill_days in tenants.values_list("pk", "time_zone", "backfill_days"):
        for is_live in (True, False):
            yield Ledger(tenant_id=tenant_id, is_live=is_live, time_zone=time_zone, backfill_days=backfill_days)
