"""Metering's part of a tenant: the usage plan that it begins with, and days cut in its time zone.

Other processes know the old zone for up to a second and cut what they ingest in it, so usage is rebuilt twice:
in the transaction of the change, and once more when nobody can remember the old zone.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django_q.models import Schedule
from django_q.tasks import schedule

from accounts.domain.actor import Actor
from accounts.models import Tenant
from metering.selectors.ledgers import ledgers
from metering.services.limits.counting import forget_counters
from metering.services.rebuild import rebuild_usage
from metering.services.usage_plans import assign_default_usage_plan

REBUILD_TASK: Final = "metering.tasks.rebuild_usage_of"
CACHES_FORGET_AFTER: Final = timedelta(seconds=5)


class MeteredTenant:
    """What `settings.TENANT_PARTS` names."""

    def open(self, *, tenant: Tenant, actor: Actor, as_of: datetime) -> None:
        """Put a new tenant on the default usage plan, if there is one."""
        assign_default_usage_plan(tenant=tenant, actor=actor, as_of=as_of)

    def follow(self, *, tenant: Tenant, changed: Collection[str], as_of: datetime) -> None:
        """Rebuild the daily usage of a tenant that has a new time zone."""
        if "time_zone" not in changed:
            return
        recut_usage(tenant_id=tenant.id, as_of=as_of)
        schedule(
            REBUILD_TASK,
            str(tenant.id),
            name=f"rebuild {tenant.slug} {as_of:%H:%M:%S.%f}",
            schedule_type=Schedule.ONCE,
            next_run=as_of + CACHES_FORGET_AFTER,
        )


def recut_usage(*, tenant_id: UUID, as_of: datetime) -> None:
    """Rebuild both halves of a tenant's usage in its time zone of now, and have its limits summed up anew."""
    for ledger in ledgers(tenant_ids=[tenant_id]):
        with transaction.atomic():
            rebuild_usage(ledger=ledger)
            forget_counters(ledger=ledger, as_of=as_of)
