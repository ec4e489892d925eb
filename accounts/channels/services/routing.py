"""Messages of new notices: one for each channel that is told of their kind, and the time at which it may be sent.

A channel's row is locked while messages are added to it, so that whoever pauses or changes it sees all of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.channels.domain.statuses import ChannelStatus, MessageStatus
from accounts.channels.models import Channel, ChannelMessage
from accounts.domain.identifiers import uuid7
from accounts.notices.models import MemberNotice, Notice
from accounts.notices.selectors.kinds import notice_kinds
from accounts.sql import fetch_all

NOTICES_AT_ONCE: Final = 500
_MICROSECOND: Final = timedelta(microseconds=1)

TAKE_NOTICES: Final = """
DELETE FROM notices_unroutednotice WHERE notice_id IN (
    SELECT notice_id FROM notices_unroutednotice ORDER BY notice_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING notice_id, tenant_id
"""


@transaction.atomic
def route_notices(*, as_of: datetime, limit: int = NOTICES_AT_ONCE) -> int:
    """Add the messages of at most `limit` new notices. Return how many notices were taken.

    Any number of workers may run at once; each notice is taken by one of them.
    """
    taken = fetch_all(TAKE_NOTICES, {"limit": limit})
    if taken:
        _add_messages([notice_id for notice_id, _ in taken], {tenant_id for _, tenant_id in taken}, as_of)
    return len(taken)


def due_at_of(channel: Channel, *, is_urgent: bool, as_of: datetime) -> datetime | None:
    """Return when a channel may be told of something that happened at `as_of`; None if in its next digest."""
    if is_urgent:
        return as_of
    if channel.digest_at is not None:
        return None
    return as_of if channel.quiet is None else channel.quiet.over_at(as_of, channel.zone)


def _add_messages(notice_ids: Sequence[UUID], tenant_ids: set[UUID], as_of: datetime) -> None:
    active = Channel.objects.filter(tenant__in=tenant_ids, status=ChannelStatus.ACTIVE)
    channels = list(active.select_for_update(no_key=True, of=("self",)).select_related("tenant").order_by("pk"))
    if not channels:
        return
    notices = list(Notice.objects.filter(pk__in=notice_ids).order_by("at", "pk"))
    members = {channel.membership_id for channel in channels if channel.membership_id}
    told = MemberNotice.objects.filter(notice__in=notice_ids, membership__in=members, membership__user__is_active=True)
    is_told = set(told.values_list("notice_id", "membership_id"))
    messages = _messages(notices, channels, is_told, as_of)
    ChannelMessage.objects.bulk_create(messages, ignore_conflicts=True)


def _messages(
    notices: Iterable[Notice], channels: Sequence[Channel], is_told: set[tuple[UUID, int]], as_of: datetime
) -> Iterator[ChannelMessage]:
    kinds = notice_kinds()
    for number, notice in enumerate(notices):
        kind = kinds.get(notice.kind)
        for channel in channels:
            if channel.tenant_id != notice.tenant_id or channel.created_at > notice.at:
                continue
            if channel.membership_id is not None and (notice.pk, channel.membership_id) not in is_told:
                continue
            if channel.kinds and notice.kind not in channel.kinds:
                continue
            due_at = due_at_of(channel, is_urgent=kind is not None and kind.is_urgent, as_of=as_of)
            yield ChannelMessage(
                id=uuid7(as_of + number * _MICROSECOND),  # the order in which they are sent
                tenant_id=channel.tenant_id,
                channel=channel,
                notice=notice,
                status=MessageStatus.HELD if due_at is None else MessageStatus.PENDING,
                next_attempt_at=due_at,
                created_at=as_of,
            )
