"""Webhook events about keys. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A tenant's key as the API and webhooks show it, without its secret."""

    id: UUID
    tenant_id: UUID
    kind: str
    name: str
    prefix: str
    last_four: str
    environment: str
    tags: tuple[str, ...]
    scopes: tuple[str, ...]
    allowed_cidrs: tuple[str, ...]
    quota: Decimal | None
    throttle_rate: int | None
    throttle_burst: int | None
    rotated_from: UUID | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    quarantined_at: datetime | None

    def as_body(self) -> dict[str, object]:
        """Return its form in the API and in webhooks."""
        has_throttle = self.throttle_rate is not None
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "prefix": self.prefix,
            "last_four": self.last_four,
            "environment": self.environment,
            "tags": list(self.tags),
            "scopes": list(self.scopes),
            "allowed_cidrs": list(self.allowed_cidrs),
            "quota": self.quota,
            "throttle": {"rate": self.throttle_rate, "burst": self.throttle_burst} if has_throttle else None,
            "rotated_from": self.rotated_from,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
            "last_used_at": self.last_used_at,
            "quarantined_at": self.quarantined_at,
        }


@dataclass(frozen=True, slots=True)
class _OfKey:
    """An event that happens to a key once."""

    type: ClassVar[str]
    key: KeyFacts

    @property
    def tenant_id(self) -> UUID:
        """Return the id of the key's tenant."""
        return self.key.tenant_id

    @property
    def dedupe_key(self) -> str:
        """Return the event's unique name."""
        return f"{self.type}:{self.key.id}"

    def as_body(self) -> dict[str, object]:
        """Return the key in its API form."""
        return self.key.as_body()


@dataclass(frozen=True, slots=True)
class ApiKeyCreated(_OfKey):
    """A key was created, on its own or in place of the one that it was rotated from."""

    type: ClassVar[str] = "api_key.created"


@dataclass(frozen=True, slots=True)
class ApiKeyRevoked(_OfKey):
    """A key was revoked."""

    type: ClassVar[str] = "api_key.revoked"
