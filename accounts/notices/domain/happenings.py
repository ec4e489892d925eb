"""Webhook events: each type is a frozen dataclass in the `domain/` of the app that reports it."""

from typing import ClassVar, Protocol
from uuid import UUID


class WebhookHappening(Protocol):
    """Something that happened to a tenant and that a webhook reports.

    Of two with the same `dedupe_key` the first is kept.
    """

    type: ClassVar[str]

    @property
    def tenant_id(self) -> UUID:
        """Return the id of the tenant whose webhooks report it."""

    @property
    def dedupe_key(self) -> str:
        """Return the unique name of this event, its type first."""

    def as_body(self) -> dict[str, object]:
        """Return the `data` of the webhook."""
