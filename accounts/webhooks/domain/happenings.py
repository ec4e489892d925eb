"""The event that a test of an endpoint sends. Pure."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from accounts.webhooks.domain.event_types import TEST_EVENT


@dataclass(frozen=True, slots=True)
class WebhookTest:
    """Someone asked for a test of an endpoint. `id` makes each test an event of its own."""

    type: ClassVar[str] = TEST_EVENT
    id: UUID
    tenant_id: UUID
    endpoint_id: UUID

    @property
    def dedupe_key(self) -> str:
        """Return the event's unique name."""
        return f"{self.type}:{self.id}"

    def as_body(self) -> dict[str, object]:
        """Return the `data` of the webhook."""
        return {"endpoint": self.endpoint_id}
