"""The outbox: events in the form of the contract's webhooks, written in the transaction in which they happened."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from accounts.domain.identifiers import uuid7
from accounts.domain.plain import to_plain
from accounts.notices.domain.happenings import WebhookHappening
from accounts.sql import as_json, fetch_all

# What is new waits to be sent: the queue is written in the transaction of the event.
ADD_EVENTS: Final = """
WITH added AS (
    INSERT INTO notices_outboxevent (id, tenant_id, type, payload, dedupe_key, occurred_at)
    SELECT e.id, e.tenant_id, e.type, e.payload, e.dedupe_key, %(as_of)s
    FROM jsonb_to_recordset(%(events)s::jsonb) AS e(id uuid, tenant_id uuid, type text, payload jsonb, dedupe_key text)
    ON CONFLICT DO NOTHING
    RETURNING id, tenant_id
)
INSERT INTO notices_unsentevent (event_id, tenant_id) SELECT id, tenant_id FROM added
"""


# Of an event that only one endpoint is sent, its caller queues the delivery.
ADD_UNQUEUED: Final = """
INSERT INTO notices_outboxevent (id, tenant_id, type, payload, dedupe_key, occurred_at)
SELECT e.id, e.tenant_id, e.type, e.payload, e.dedupe_key, %(as_of)s
FROM jsonb_to_recordset(%(events)s::jsonb) AS e(id uuid, tenant_id uuid, type text, payload jsonb, dedupe_key text)
"""


def add_to_outbox(happenings: Iterable[WebhookHappening], *, as_of: datetime) -> None:
    """Store what happened, in one statement. It is sent to each endpoint that wants its type."""
    events = [_row(happening, as_of) for happening in happenings]
    if events:
        fetch_all(ADD_EVENTS, {"events": as_json(events), "as_of": as_of})


def add_unqueued(happening: WebhookHappening, *, as_of: datetime) -> UUID:
    """Store an event that is queued for no endpoint, and return its id."""
    row = _row(happening, as_of)
    fetch_all(ADD_UNQUEUED, {"events": as_json([row]), "as_of": as_of})
    event_id: UUID = row["id"]
    return event_id


def _row(happening: WebhookHappening, as_of: datetime) -> dict[str, Any]:
    return {
        "id": uuid7(as_of),
        "tenant_id": happening.tenant_id,
        "type": happening.type,
        "payload": to_plain(happening.as_body()),
        "dedupe_key": happening.dedupe_key,
    }
