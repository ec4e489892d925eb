"""The notices of a member, and how many are unread."""

from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from accounts.errors import NotFoundError
from accounts.notices.models import MemberNotice

UNREAD_SHOWN_MAX: Final = 99


def notices_of_member(*, tenant_id: UUID, user_id: int) -> QuerySet[MemberNotice]:
    """Return the member's notices, newest first."""
    rows = MemberNotice.objects.filter(membership__tenant_id=tenant_id, membership__user_id=user_id)
    return rows.select_related("notice")


def notice_of_member(*, tenant_id: UUID, user_id: int, notice_id: UUID) -> MemberNotice:
    """Return one of the member's notices. Raises `NotFoundError`, also for another member's."""
    row = notices_of_member(tenant_id=tenant_id, user_id=user_id).filter(notice_id=notice_id).first()
    if row is None:
        raise NotFoundError
    return row


def unread_count(*, tenant_id: UUID, user_id: int) -> int:
    """Return how many notices the member has not read. It counts to one more than pages show, and no further."""
    unread = notices_of_member(tenant_id=tenant_id, user_id=user_id).filter(read_at=None)
    return unread.select_related(None).order_by()[: UNREAD_SHOWN_MAX + 1].count()
