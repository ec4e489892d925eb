"""Deliveries of new events: one for each endpoint that wants the type, written by statements over many events.

An endpoint's row is locked while deliveries are added to it. Whoever computes when it is next due locks it too, and
reads its deliveries afterwards: so none is overlooked.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.sql import fetch_all

EVENTS_AT_ONCE: Final = 1000

TAKE_EVENTS: Final = """
DELETE FROM notices_unsentevent WHERE event_id IN (
    SELECT event_id FROM notices_unsentevent ORDER BY event_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING event_id, tenant_id
"""
# In the order of their ids, as everything that locks several.
LOCK_ENDPOINTS: Final = """
SELECT id FROM webhooks_webhookendpoint WHERE tenant_id = ANY(%(tenant_ids)s) AND status <> 'disabled'
ORDER BY id FOR NO KEY UPDATE
"""
# An endpoint that someone sends to, or that rests, is due afterwards; a paused one when it is resumed.
IS_DUE: Final = """
CASE WHEN p.status <> 'active' THEN NULL WHEN p.leased_until > %(as_of)s THEN p.due_at
    ELSE greatest(least(p.due_at, %(as_of)s), p.rests_until) END
"""
ADD_DELIVERIES: Final = f"""
WITH wanted AS (
    SELECT e.id AS event_id, e.tenant_id, e.type, p.id AS endpoint_id,
        row_number() OVER (PARTITION BY p.id ORDER BY e.occurred_at, e.id) AS place
    FROM notices_outboxevent AS e JOIN webhooks_webhookendpoint AS p ON p.tenant_id = e.tenant_id
    WHERE e.id = ANY(%(event_ids)s) AND p.id = ANY(%(endpoint_ids)s) AND p.created_at <= e.occurred_at
        AND (cardinality(p.event_types) = 0 OR e.type = ANY(p.event_types))
        -- a replay of a span may have been first
        AND NOT EXISTS (SELECT FROM webhooks_webhookdelivery AS d WHERE d.endpoint_id = p.id AND d.event_id = e.id)
), numbered AS (
    UPDATE webhooks_webhookendpoint AS p SET last_sequence = last_sequence + w.number, due_at = {IS_DUE}
    FROM (SELECT endpoint_id, count(*) AS number FROM wanted GROUP BY endpoint_id) AS w WHERE p.id = w.endpoint_id
    RETURNING p.id, p.last_sequence - w.number AS before
), added AS (
    INSERT INTO webhooks_webhookdelivery
        (id, tenant_id, endpoint_id, event_id, event_type, sequence, status, attempts_in_round, next_attempt_at,
         replays, created_at)
    SELECT gen_random_uuid(), w.tenant_id, w.endpoint_id, w.event_id, w.type, n.before + w.place, 'pending', 0,
        %(as_of)s, 0, %(as_of)s
    FROM wanted AS w JOIN numbered AS n ON n.id = w.endpoint_id
    RETURNING 1
)
SELECT count(*) FROM added
"""  # noqa: S608 - of constants


@transaction.atomic
def queue_deliveries(*, as_of: datetime, limit: int = EVENTS_AT_ONCE) -> int:
    """Queue the deliveries of at most `limit` new events. Return how many events were taken.

    Any number of workers may run at once; each event is taken by one of them.
    """
    taken = fetch_all(TAKE_EVENTS, {"limit": limit})
    if taken:
        event_ids = [event_id for event_id, _ in taken]
        add_deliveries(event_ids=event_ids, tenant_ids={tenant_id for _, tenant_id in taken}, as_of=as_of)
    return len(taken)


def add_deliveries(*, event_ids: list[UUID], tenant_ids: set[UUID], as_of: datetime) -> int:
    """Add the deliveries of these events to the endpoints that want them. Return how many there are."""
    locked = fetch_all(LOCK_ENDPOINTS, {"tenant_ids": list(tenant_ids)})
    if not locked:
        return 0
    endpoint_ids = [endpoint_id for (endpoint_id,) in locked]
    parameters = {"event_ids": event_ids, "endpoint_ids": endpoint_ids, "as_of": as_of}
    [(number,)] = fetch_all(ADD_DELIVERIES, parameters)
    return int(number)
