"""Messages that are due, each leased to one sender. A channel is sent one message at a time, the earliest first.

A message whose sender died may have arrived. It is sent again only if the receiver recognizes it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from accounts.channels.domain.types import TYPES, ChannelType
from accounts.sql import fetch_all

# Longer than an attempt may take.
LEASE: Final = timedelta(minutes=2)
INTERRUPTED: Final = "The process that sent it did not finish; it may have arrived."
REPEATABLE: Final = tuple(kind.value for kind in ChannelType if TYPES[kind].is_repeatable or not TYPES[kind].has_url)

END_LEASES: Final = """
UPDATE channels_channelmessage AS m
SET lease = NULL, leased_until = NULL, error = CASE WHEN c.type = ANY(%(repeatable)s) THEN m.error ELSE %(error)s END,
    status = CASE WHEN c.type = ANY(%(repeatable)s) THEN 'pending' ELSE 'unknown' END,
    next_attempt_at = CASE WHEN c.type = ANY(%(repeatable)s) THEN m.next_attempt_at END,
    ended_at = CASE WHEN c.type = ANY(%(repeatable)s) THEN NULL ELSE %(as_of)s::timestamptz END
FROM channels_channel AS c WHERE c.id = m.channel_id AND m.lease IS NOT NULL AND m.leased_until <= %(as_of)s
"""
CLAIM: Final = """
WITH due AS (
    SELECT DISTINCT ON (m.channel_id) m.id, m.next_attempt_at
    FROM channels_channelmessage AS m JOIN channels_channel AS c ON c.id = m.channel_id
    WHERE m.status = 'pending' AND m.next_attempt_at <= %(as_of)s AND c.status = 'active'
        AND (c.rests_until IS NULL OR c.rests_until <= %(as_of)s)
        AND NOT EXISTS (
            SELECT FROM channels_channelmessage AS o WHERE o.channel_id = m.channel_id AND o.lease IS NOT NULL
        )
    ORDER BY m.channel_id, m.next_attempt_at, m.created_at, m.id
), chosen AS (
    SELECT m.id FROM channels_channelmessage AS m JOIN due ON due.id = m.id
    WHERE m.status = 'pending' AND m.lease IS NULL
    ORDER BY due.next_attempt_at LIMIT %(limit)s FOR NO KEY UPDATE OF m SKIP LOCKED
)
UPDATE channels_channelmessage AS m
SET lease = %(lease)s, leased_until = %(leased_until)s, attempts = m.attempts + 1
FROM chosen, channels_channel AS c WHERE m.id = chosen.id AND c.id = m.channel_id
RETURNING m.id, m.attempts, c.id, c.type, c.sealed_url, c.sealed_secret
"""


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that this sender alone sends until its lease ends."""

    id: UUID
    attempts: int
    channel_id: UUID
    channel_type: ChannelType
    sealed_url: str = field(repr=False)
    sealed_secret: str = field(repr=False)
    lease: UUID


def claim_messages(*, limit: int, as_of: datetime) -> Collection[ClaimedMessage]:
    """Claim at most `limit` messages that are due, at most one of each channel. Any number of senders may claim."""
    fetch_all(END_LEASES, {"repeatable": list(REPEATABLE), "error": INTERRUPTED, "as_of": as_of})
    lease = uuid4()
    parameters = {"as_of": as_of, "limit": limit, "lease": lease, "leased_until": as_of + LEASE}
    return [
        ClaimedMessage(message_id, attempts, channel_id, ChannelType(kind), url, secret, lease)
        for message_id, attempts, channel_id, kind, url, secret in fetch_all(CLAIM, parameters)
    ]
