"""The tenants and keys that are measured, created through Django in the process that calls `prepare`."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.domain.reach import WayIn, let_process_reach
from accounts.domain.scopes import SCOPES_FOR_TENANT_KEYS
from accounts.models import Tenant
from metering.models import Meter, QuotaPeriod, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from metering.services.partitions import ensure_partitions_around
from tests.metering.ledger_world import LONG_AGO, make_key, make_tenant

PLENTY = 10**10
THROTTLE_PLENTY = 1_000_000


@dataclass(frozen=True)
class Subjects:
    """A tenant without limits, one with a throttle and a hard monthly quota, and a key of each."""

    free: str
    limited: str
    tenant_id: UUID


def prepare() -> Subjects:
    """Migrate, and create the tenants."""
    let_process_reach(WayIn.JOBS)
    call_command("migrate", verbosity=0, interactive=False)
    ensure_partitions_around(as_of=timezone.now() - timedelta(days=1), backfill_days=35)
    free, limited = make_tenant("free"), make_tenant("limited")
    _assign_plan(limited)
    secrets = [make_key(tenant, scopes=SCOPES_FOR_TENANT_KEYS)[1] for tenant in (free, limited)]
    connection.close()  # what follows forks
    return Subjects(free=secrets[0], limited=secrets[1], tenant_id=free.pk)


def _assign_plan(tenant: Tenant) -> None:
    """Assign limits that are checked each time and never reached."""
    plan = UsagePlan.objects.create(
        code="plenty",
        name="Plenty",
        created_at=LONG_AGO,
        throttle_rate=THROTTLE_PLENTY,
        throttle_burst=THROTTLE_PLENTY,
    )
    meter = Meter.objects.get(code="api_requests")
    UsagePlanQuota.objects.create(usage_plan=plan, meter=meter, period=QuotaPeriod.MONTH, limit=PLENTY, is_hard=True)
    UsagePlanAssignment.objects.create(tenant=tenant, usage_plan=plan, assigned_at=LONG_AGO)
