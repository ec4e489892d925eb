"""Notices to staff: found in what other apps store, told once for each key to each channel of staff that wants them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from accounts.channels.domain.staff_notices import URGENT, NewStaffNotice, StaffNoticeKind
from accounts.channels.domain.statuses import ChannelStatus, MessageStatus
from accounts.channels.models import Channel, ChannelMessage, StaffNotice
from accounts.channels.selectors.staff_sources import staff_notices_since
from accounts.channels.services.routing import due_at_of
from accounts.domain.identifiers import uuid7
from accounts.sql import as_json, fetch_all

# Longer than a weekend without a worker; what is older is no news.
LOOKED_BACK: Final = timedelta(days=3)
TITLE_CHARACTERS_MAX: Final = 300
TEXT_CHARACTERS_MAX: Final = 600

# Of two workers with one key, the first tells it.
ADD: Final = """
INSERT INTO channels_staffnotice (id, kind, dedupe_key, title, text, page, at)
SELECT n.* FROM jsonb_to_recordset(%(notices)s::jsonb) AS n(
    id uuid, kind text, dedupe_key text, title text, text text, page text, at timestamptz
)
ON CONFLICT DO NOTHING
RETURNING id
"""


@transaction.atomic
def route_staff_notices(*, as_of: datetime) -> int:
    """Add the messages of what happened lately. Return how many notices are new.

    A channel is told what happened after it was created. Without a channel of staff nothing is looked for.
    """
    active = Channel.objects.filter(tenant=None, status=ChannelStatus.ACTIVE)
    channels = list(active.select_for_update(no_key=True).order_by("pk"))
    if not channels:
        return 0
    since = max(as_of - LOOKED_BACK, min(channel.created_at for channel in channels))
    found = {one.key: one for one in staff_notices_since(since)}
    known = set(StaffNotice.objects.filter(dedupe_key__in=found).values_list("dedupe_key", flat=True))
    rows = [_row(one) for key, one in found.items() if key not in known]
    added = [notice_id for (notice_id,) in fetch_all(ADD, {"notices": as_json(rows)})] if rows else []
    notices = list(StaffNotice.objects.filter(pk__in=added).order_by("at", "pk"))
    ChannelMessage.objects.bulk_create(_messages(notices, channels, as_of), ignore_conflicts=True)
    return len(notices)


def _row(notice: NewStaffNotice) -> dict[str, object]:
    return {
        "id": uuid7(notice.at),
        "kind": notice.kind.value,
        "dedupe_key": notice.key,
        "title": " ".join(notice.title.split())[:TITLE_CHARACTERS_MAX],
        "text": notice.text[:TEXT_CHARACTERS_MAX],
        "page": notice.page,
        "at": notice.at,
    }


def _messages(notices: Sequence[StaffNotice], channels: Sequence[Channel], as_of: datetime) -> Iterator[ChannelMessage]:
    for number, notice in enumerate(notices):
        for channel in channels:
            if channel.created_at > notice.at or (channel.kinds and notice.kind not in channel.kinds):
                continue
            due_at = due_at_of(channel, is_urgent=StaffNoticeKind(notice.kind) in URGENT, as_of=as_of)
            yield ChannelMessage(
                id=uuid7(as_of + timedelta(microseconds=number)),
                channel=channel,
                staff_notice=notice,
                status=MessageStatus.HELD if due_at is None else MessageStatus.PENDING,
                next_attempt_at=due_at,
                created_at=as_of,
            )
