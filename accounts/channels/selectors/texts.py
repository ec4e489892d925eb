"""The text of a message: what its channel is told."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from django.conf import settings

from accounts.channels.domain.messages import ChannelText, ToldNotice, text_of_digest, text_of_notice, text_of_test
from accounts.channels.domain.staff_notices import STAFF_LABELS, StaffNoticeKind
from accounts.channels.models import Channel, ChannelMessage, StaffNotice
from accounts.notices.models import Notice
from accounts.notices.selectors.kinds import label_of

PAGES: Final = "/t/{slug}/{page}"
NOTICES: Final = "notices/"
ADMIN: Final = "/admin/"
STAFF: Final = "Staff"


def text_of(message: ChannelMessage) -> ChannelText:
    """Return what a message says. `channel` and `notice` are read with it."""
    channel = message.channel
    if message.notice is not None:
        return text_of_notice(_told(message.notice, channel), organisation=_organisation(channel))
    if message.staff_notice is not None:
        return text_of_notice(_told_to_staff(message.staff_notice), organisation=STAFF)
    assert message.digest_on is not None, "a message is about a notice or a day"
    held = ChannelMessage.objects.filter(digest=message).select_related("notice", "staff_notice")
    notices = sorted(_notices(held, channel), key=lambda told: (told.at, told.id))
    return text_of_digest(
        notices,
        day=message.digest_on,
        organisation=_organisation(channel),
        url=_url(channel, NOTICES),
        zone=channel.zone,
        at=message.created_at,
    )


def test_text_of(channel: Channel, *, as_of: datetime) -> ChannelText:
    """Return what the test button sends."""
    return text_of_test(name=channel.name, organisation=_organisation(channel), url=_url(channel, NOTICES), at=as_of)


def _notices(held: Iterable[ChannelMessage], channel: Channel) -> Iterator[ToldNotice]:
    for one in held:
        if one.notice is not None:
            yield _told(one.notice, channel)
        if one.staff_notice is not None:
            yield _told_to_staff(one.staff_notice)


def _told_to_staff(notice: StaffNotice) -> ToldNotice:
    url, label = f"{settings.PUBLIC_URL}{notice.page}", STAFF_LABELS[StaffNoticeKind(notice.kind)]
    return ToldNotice(str(notice.pk), notice.kind, label, notice.title, notice.text, url, notice.at)


def _told(notice: Notice, channel: Channel) -> ToldNotice:
    url = _url(channel, notice.page)
    return ToldNotice(str(notice.pk), notice.kind, label_of(notice.kind), notice.title, notice.text, url, notice.at)


def _organisation(channel: Channel) -> str:
    return STAFF if channel.tenant is None else channel.tenant.name


def _url(channel: Channel, page: str) -> str:
    if channel.tenant is None:
        return f"{settings.PUBLIC_URL}{ADMIN}"
    return f"{settings.PUBLIC_URL}{PAGES.format(slug=channel.tenant.slug, page=page)}"
