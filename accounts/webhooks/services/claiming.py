"""Work for a sender: endpoints that have something due, each leased to one sender, with their due deliveries.

Endpoints take turns, and those of different tenants before several of one tenant, so a tenant with a backlog delays no
other. Slow and failing endpoints are claimed apart, so that they never take all places.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID, uuid4

from accounts.sql import fetch_all
from accounts.webhooks.domain.schedule import FAILURES_BEFORE_REST

# Longer than all attempts of a claim together, which run at the same time: a sender that died is replaced after this.
LEASE: Final = timedelta(minutes=2)
DELIVERIES_AT_ONCE: Final = 10
DELIVERIES_OF_SUSPECT: Final = 3
DELIVERIES_OF_RESTING: Final = 1
# So many times more endpoints are looked at than are claimed, to find those of other tenants.
LOOKED_AT: Final = 4

CLAIM: Final = """
WITH due AS (
    SELECT id, tenant_id, due_at FROM webhooks_webhookendpoint
    WHERE status = 'active' AND is_suspect = %(is_suspect)s AND due_at <= %(as_of)s
    ORDER BY due_at LIMIT %(looked_at)s FOR NO KEY UPDATE SKIP LOCKED
), in_turn AS (
    SELECT id FROM (
        SELECT id, due_at, row_number() OVER (PARTITION BY tenant_id ORDER BY due_at) AS turn FROM due
    ) AS ranked
    ORDER BY turn, due_at LIMIT %(limit)s
), claimed AS (
    UPDATE webhooks_webhookendpoint AS p
    SET lease = %(lease)s, leased_until = %(leased_until)s, due_at = %(leased_until)s
    FROM in_turn WHERE p.id = in_turn.id
    RETURNING p.id, p.url, p.failures
)
SELECT c.id, c.url,
    ARRAY(
        SELECT s.sealed FROM webhooks_webhooksecret AS s
        WHERE s.endpoint_id = c.id AND (s.expires_at IS NULL OR s.expires_at > %(as_of)s)
        ORDER BY s.expires_at IS NULL DESC, s.created_at DESC
    ),
    d.id, d.event_id, d.event_type, d.sequence, d.attempts_in_round, d.next_attempt_at, e.occurred_at, e.payload::text
FROM claimed AS c
LEFT JOIN LATERAL (
    SELECT w.* FROM webhooks_webhookdelivery AS w
    WHERE w.endpoint_id = c.id AND w.status = 'pending' AND w.next_attempt_at <= %(as_of)s
    ORDER BY w.next_attempt_at, w.sequence
    LIMIT CASE WHEN c.failures >= %(failures_before_rest)s THEN %(of_resting)s::int
        WHEN %(is_suspect)s THEN %(of_suspect)s::int ELSE %(at_once)s::int END
) AS d ON true
LEFT JOIN notices_outboxevent AS e ON e.id = d.event_id
ORDER BY c.id, d.next_attempt_at, d.sequence
"""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery to send now. `data` is the JSON of its event."""

    id: UUID
    event_id: UUID
    event_type: str
    sequence: int
    attempts_in_round: int
    next_attempt_at: datetime
    occurred_at: datetime
    data: str


@dataclass(frozen=True, slots=True)
class ClaimedEndpoint:
    """An endpoint that this sender alone sends to until its lease ends, and the deliveries to send."""

    id: UUID
    url: str
    lease: UUID
    sealed_secrets: tuple[str, ...] = field(repr=False)
    deliveries: tuple[DueDelivery, ...]


def claim_endpoints(*, limit: int, is_suspect: bool, as_of: datetime) -> list[ClaimedEndpoint]:
    """Claim at most `limit` endpoints that are due. Any number of senders may claim at once."""
    lease = uuid4()
    rows = fetch_all(
        CLAIM,
        {
            "is_suspect": is_suspect,
            "as_of": as_of,
            "looked_at": limit * LOOKED_AT,
            "limit": limit,
            "lease": lease,
            "leased_until": as_of + LEASE,
            "failures_before_rest": FAILURES_BEFORE_REST,
            "of_resting": DELIVERIES_OF_RESTING,
            "of_suspect": DELIVERIES_OF_SUSPECT,
            "at_once": DELIVERIES_AT_ONCE,
        },
    )
    return list(_endpoints(rows, lease))


def _endpoints(rows: Iterable[tuple[Any, ...]], lease: UUID) -> Iterator[ClaimedEndpoint]:
    for endpoint_id, of_endpoint in groupby(rows, key=lambda row: row[0]):
        found = list(of_endpoint)
        _, url, sealed, *_ = found[0]
        deliveries = tuple(DueDelivery(*row[3:]) for row in found if row[3] is not None)
        yield ClaimedEndpoint(endpoint_id, url, lease, tuple(sealed), deliveries)
