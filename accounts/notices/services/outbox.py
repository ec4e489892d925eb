"""The outbox: events in the form of the contract's webhooks, written in the transaction in which they happened."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from accounts.domain.identifiers import uuid7
from accounts.domain.plain import to_plain
from accounts.notices.domain.happenings import WebhookHappening
from accounts.sql import as_json, fetch_all

ADD_EVENTS: Final = """
INSERT INTO notices_outboxevent (id, tenant_id, type, payload, dedupe_key, occurred_at)
SELECT e.id, e.tenant_id, e.type, e.payload, e.dedupe_key, %(as_of)s
FROM jsonb_to_recordset(%(events)s::jsonb) AS e(id uuid, tenant_id uuid, type text, payload jsonb, dedupe_key text)
ON CONFLICT DO NOTHING
"""


def add_to_outbox(happenings: Iterable[WebhookHappening], *, as_of: datetime) -> None:
    """Store what happened, in one statement."""
    events = [
        {
            "id": uuid7(as_of),
            "tenant_id": happening.tenant_id,
            "type": happening.type,
            "payload": to_plain(happening.as_body()),
            "dedupe_key": happening.dedupe_key,
        }
        for happening in happenings
    ]
    if events:
        fetch_all(ADD_EVENTS, {"events": as_json(events), "as_of": as_of})
