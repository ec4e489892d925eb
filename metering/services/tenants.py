"""Metering's part of a tenant: its first usage plan, and days in its time zone.

The time of a rebuild grows with the usage, so a worker does it, and the row of its run shows the progress. It waits
until no process uses the old zone any more: each caches it for up to a second, and computes the days of ingest in it.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django_q.models import Schedule
from django_q.tasks import schedule

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.models import JobRun, Tenant
from accounts.services.jobs import queue_job, run_queued_job
from metering.selectors.ledgers import REBUILD_JOB, ledgers
from metering.services.limits.counting import forget_counters
from metering.services.rebuild import rebuild_usage
from metering.services.usage_plans import assign_default_usage_plan

REBUILD_TASK: Final = "metering.tasks.rebuild_usage_of"
CACHES_FORGET_AFTER: Final = timedelta(seconds=5)


class MeteredTenant:
    """The part that `settings.TENANT_PARTS` names."""

    def open(self, *, tenant: Tenant, actor: Actor, as_of: datetime) -> None:
        """Assign the default usage plan to a new tenant, if there is one."""
        assign_default_usage_plan(tenant=tenant, actor=actor, as_of=as_of)

    def follow(self, *, tenant: Tenant, changed: Collection[str], as_of: datetime) -> None:
        """Queue the rebuilding of the daily usage of a tenant that has a new time zone."""
        if "time_zone" not in changed:
            return
        facts = {"tenant": tenant.slug, "time_zone": tenant.time_zone}
        run = queue_job(name=REBUILD_JOB, started_by="new time zone", as_of=as_of, summary=facts)
        schedule(
            REBUILD_TASK,
            str(tenant.id),
            run.pk,
            name=f"rebuild {tenant.slug} {as_of:%H:%M:%S.%f}",
            schedule_type=Schedule.ONCE,
            next_run=as_of + CACHES_FORGET_AFTER,
        )


def run_rebuild(*, tenant_id: UUID, run_id: int, as_of: datetime) -> JobRun:
    """Run the rebuild that `follow` queued."""
    run = JobRun.objects.get(pk=run_id)
    return run_queued_job(run=run, as_of=as_of, work=lambda: _rebuild(tenant_id, as_of))


def _rebuild(tenant_id: UUID, as_of: datetime) -> JobReport:
    """Rebuild both halves of a tenant's usage in its current time zone, and mark its limits to be summed up again."""
    rows = 0
    for ledger in ledgers(tenant_ids=[tenant_id]):
        with transaction.atomic():
            rows += rebuild_usage(ledger=ledger).days
            forget_counters(ledger=ledger, as_of=as_of)
    return JobReport({"rows": rows})
