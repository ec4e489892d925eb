"""Changing a tenant whose usage is cut into days: a new time zone has its daily usage cut anew.

Other processes know the old zone for up to a second and cut what they ingest in it, so usage is rebuilt twice:
in the transaction of the change, and once more when nobody can remember the old zone.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django_q.models import Schedule
from django_q.tasks import schedule

from accounts.domain.actor import Actor
from accounts.models import Tenant
from accounts.services.tenants import update_tenant
from metering.selectors.ledgers import ledgers
from metering.services.limits.counting import forget_counters
from metering.services.rebuild import rebuild_usage

REBUILD_TASK: Final = "metering.tasks.rebuild_usage_of"
CACHES_FORGET_AFTER: Final = timedelta(seconds=5)


@transaction.atomic
def change_tenant(*, tenant: Tenant, changes: Mapping[str, object], actor: Actor, as_of: datetime) -> Tenant:
    """Change settings by name, and follow a new time zone. Raises what `accounts.services.tenants.update_tenant` does."""
    update = update_tenant(tenant=tenant, changes=changes, actor=actor, as_of=as_of)
    if update.is_time_zone_changed:
        recut_usage(tenant_id=tenant.id, as_of=as_of)
        schedule(
            REBUILD_TASK,
            str(tenant.id),
            name=f"rebuild {tenant.slug} {as_of:%H:%M:%S.%f}",
            schedule_type=Schedule.ONCE,
            next_run=as_of + CACHES_FORGET_AFTER,
        )
    return update.tenant


def recut_usage(*, tenant_id: UUID, as_of: datetime) -> None:
    """Rebuild both halves of a tenant's usage in its time zone of now, and have its limits summed up anew."""
    for ledger in ledgers(tenant_ids=[tenant_id]):
        with transaction.atomic():
            rebuild_usage(ledger=ledger)
            forget_counters(ledger=ledger, as_of=as_of)
