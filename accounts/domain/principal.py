"""Who calls the API: what is known of a key once it has been checked, in one immutable value.

It is kept in each process for less than a second, so it holds no more than a request needs.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """What metering needs to know of a tenant."""

    id: UUID
    slug: str
    name: str
    is_active: bool
    time_zone: str
    currency: str
    backfill_days: int


@dataclass(frozen=True, slots=True)
class Principal:
    """A checked key. A service key has no tenant of its own."""

    key_id: UUID
    kind: KeyKind
    name: str
    prefix: str
    scopes: frozenset[Scope]
    allowed_cidrs: tuple[str, ...]
    expires_at: datetime | None
    throttle_rate: int | None
    throttle_burst: int | None
    quota: Decimal | None
    tenant: TenantFacts | None
    family_id: UUID | None = None

    @property
    def limits_id(self) -> UUID:
        """Under which its own limits are counted: a key and its successors by rotation share them."""
        return self.family_id or self.key_id

    @property
    def is_live(self) -> bool:
        """Whether what it meters counts; test keys meter into the test ledger."""
        return self.kind is not KeyKind.TEST
