"""The outbox: events in the form of the contract's webhooks, written in the transaction in which they happened."""

from collections.abc import Iterable
from datetime import datetime

from accounts.domain.identifiers import uuid7
from accounts.domain.plain import to_plain
from accounts.notices.domain.happenings import WebhookHappening
from accounts.notices.models import OutboxEvent


def add_to_outbox(happenings: Iterable[WebhookHappening], *, as_of: datetime) -> None:
    """Store what happened, in one statement."""
    OutboxEvent.objects.bulk_create(
        (
            OutboxEvent(
                id=uuid7(as_of),
                tenant_id=happening.tenant_id,
                type=happening.type,
                payload=to_plain(happening.as_body()),
                dedupe_key=happening.dedupe_key,
                occurred_at=as_of,
            )
            for happening in happenings
        ),
        ignore_conflicts=True,
    )
