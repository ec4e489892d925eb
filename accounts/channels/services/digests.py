"""Daily digests: one message of a channel's day, made of what was held for it. A day without notices has none."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.channels.domain.quiet import next_digest_at
from accounts.channels.domain.statuses import ChannelStatus, MessageStatus
from accounts.channels.models import Channel, ChannelMessage
from accounts.domain.identifiers import uuid7


def make_digests(*, as_of: datetime, limit: int = 500) -> int:
    """Queue the digests of at most `limit` channels whose time has come. Return how many there are.

    Any number of workers may run at once. A digest, what it tells, and the time of the next one are one transaction.
    """
    due = Channel.objects.filter(status=ChannelStatus.ACTIVE, next_digest_at__lte=as_of).order_by("next_digest_at")
    return sum(_make_digest(channel_id, as_of) for channel_id in list(due.values_list("pk", flat=True)[:limit]))


@transaction.atomic
def _make_digest(channel_id: UUID, as_of: datetime) -> bool:
    """Queue the channel's digest, unless another worker has, or nothing is held. Return whether there is one."""
    due = Channel.objects.filter(pk=channel_id, status=ChannelStatus.ACTIVE, next_digest_at__lte=as_of)
    found = due.select_for_update(no_key=True, of=("self",), skip_locked=True).select_related("tenant")
    channel = found.first()
    if channel is None or channel.digest_at is None or channel.next_digest_at is None:
        return False
    day = channel.next_digest_at.astimezone(channel.zone).date()
    channel.next_digest_at = next_digest_at(as_of, channel.digest_at, channel.zone)
    channel.save(update_fields=["next_digest_at"])
    held = ChannelMessage.objects.filter(channel=channel, status=MessageStatus.HELD)
    # After a change of the time or the zone a second digest may be due on one day: then all wait for the next day.
    if not held.exists() or ChannelMessage.objects.filter(channel=channel, digest_on=day).exists():
        return False
    digest = ChannelMessage.objects.create(
        id=uuid7(as_of),
        tenant_id=channel.tenant_id,
        channel=channel,
        digest_on=day,
        next_attempt_at=as_of,
        created_at=as_of,
    )
    held.update(status=MessageStatus.DIGESTED, digest=digest, ended_at=as_of)
    return True
