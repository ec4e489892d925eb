"""Members mark notices as read."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.models import Tenant
from accounts.notices.models import MemberNotice, Notice
from accounts.notices.selectors.notices import notice_of_member, notices_of_member
from accounts.services.audit import AuditTarget, record_audit


@transaction.atomic
def read_notice(*, tenant: Tenant, user_id: int, notice_id: UUID, actor: Actor, as_of: datetime) -> Notice:
    """Mark a notice of the member as read. One that was read stays as it is.

    Raises `NotFoundError` for a notice of someone else, and `PermissionMissingError` while staff view as a customer.
    """
    row = notice_of_member(tenant_id=tenant.pk, user_id=user_id, notice_id=notice_id)
    if MemberNotice.objects.filter(pk=row.pk, read_at=None).update(read_at=as_of):
        record_audit(
            actor=actor,
            action="notice.read",
            tenant_id=tenant.pk,
            target=AuditTarget("notice", notice_id, row.notice.title),
            as_of=as_of,
        )
    return row.notice


@transaction.atomic
def read_all_notices(*, tenant: Tenant, user_id: int, actor: Actor, as_of: datetime) -> int:
    """Mark all notices of the member in this tenant as read. Return how many were unread.

    Raises `PermissionMissingError` while staff view as a customer.
    """
    unread = notices_of_member(tenant_id=tenant.pk, user_id=user_id).filter(read_at=None)
    count = MemberNotice.objects.filter(pk__in=unread.order_by().values("pk")).update(read_at=as_of)
    if count:
        record_audit(
            actor=actor,
            action="notices.read",
            tenant_id=tenant.pk,
            target=AuditTarget("tenant", tenant.pk, tenant.slug),
            after={"count": count},
            as_of=as_of,
        )
    return count
