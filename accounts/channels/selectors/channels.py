"""The channels of a tenant and of its members, and the outcomes of their messages."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.channels.domain.mails import CHANNEL_MAIL
from accounts.channels.domain.staff_notices import StaffNoticeKind
from accounts.channels.models import Channel, ChannelMessage
from accounts.errors import NotFoundError
from accounts.models import Membership
from accounts.notices.selectors.kinds import notice_kinds


def channels_shown(*, tenant_id: UUID, membership: Membership | None, sees_all: bool) -> QuerySet[Channel]:
    """Return the channels that a member may see: their own and, if `sees_all`, those of the organisation."""
    own = Q(membership=membership) if membership is not None else Q(pk=None)
    shared = Q(membership=None) if sees_all else Q(pk=None)
    return Channel.objects.filter(own | shared, tenant_id=tenant_id).select_related("tenant", "membership__user")


def channel_of(found: QuerySet[Channel], channel_id: UUID) -> Channel:
    """Return one of the channels. Raises `NotFoundError`."""
    channel = found.filter(pk=channel_id).first()
    if channel is None:
        raise NotFoundError
    return channel


def kinds_offered(membership: Membership | None, *, is_of_staff: bool = False) -> Collection[str]:
    """Return the names of the kinds that a channel may be told: of a member's, those that their role may get."""
    if is_of_staff:
        return tuple(StaffNoticeKind)
    # The mails of a channel are of a kind, so that they can be stopped, but are no notices.
    kinds = {name: kind for name, kind in notice_kinds().items() if kind is not CHANNEL_MAIL}
    if membership is None:
        return tuple(kinds)
    return tuple(name for name, kind in kinds.items() if membership.role in kind.roles_allowed)


def messages_of(channel: Channel) -> QuerySet[ChannelMessage]:
    """Return the messages of a channel, the newest first."""
    return ChannelMessage.objects.filter(channel=channel).select_related("notice")
