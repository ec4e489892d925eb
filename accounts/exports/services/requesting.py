"""Request of an export: two requests at once get the same one."""

from datetime import datetime
from functools import partial
from typing import Final

from django.db import transaction
from django_q.tasks import async_task

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.identifiers import uuid7
from accounts.domain.roles import Capability
from accounts.errors import PermissionMissingError
from accounts.exports.domain.statuses import OPEN_STATUSES
from accounts.exports.models import TenantExport
from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability

EXPORTS_TASK: Final = "accounts.exports.tasks.make_exports"


@transaction.atomic
def request_export(*, tenant: Tenant, actor: Actor, as_of: datetime) -> TenantExport:
    """Queue an export of all data of the tenant for one of its owners, or return the one in progress.

    Raises `PermissionMissingError`, also for staff: they see no more of a customer than they need, and export nothing.
    """
    lock_tenant(tenant.pk)
    if actor.kind is not ActorKind.MEMBER or actor.user_id is None:
        raise PermissionMissingError("Only an owner can export the organisation's data.")
    require_capability(actor, tenant.pk, Capability.OWN_TENANT)
    under_way = TenantExport.objects.filter(tenant=tenant, status__in=OPEN_STATUSES).first()
    if under_way is not None:
        return under_way
    export = TenantExport.objects.create(
        id=uuid7(as_of), tenant=tenant, requested_by_id=actor.user_id, requested_at=as_of
    )
    record_audit(
        actor=actor,
        action="export.requested",
        tenant_id=tenant.pk,
        target=AuditTarget("export", export.pk, tenant.slug),
        as_of=as_of,
    )
    # The row is the queue: the schedule finds it too if the task is lost.
    transaction.on_commit(partial(async_task, EXPORTS_TASK, "a request", group="exports"))
    return export


def record_download(*, export: TenantExport, actor: Actor, as_of: datetime) -> None:
    """Record in the audit log who downloads the archive."""
    record_audit(
        actor=actor,
        action="export.downloaded",
        tenant_id=export.tenant_id,
        target=AuditTarget("export", export.pk, str(export.requested_at.date())),
        as_of=as_of,
    )
