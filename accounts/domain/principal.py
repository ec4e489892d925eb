"""The caller of the API: the facts about a checked key, in one immutable value.

Each process keeps it for less than a second, so it holds only what a request needs.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """The facts about a tenant that metering needs."""

    id: UUID
    slug: str
    name: str
    is_active: bool
    time_zone: str
    currency: str
    backfill_days: int
    period_anchor_on: date | None = None


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
    is_quarantined: bool = False

    @property
    def limits_id(self) -> UUID:
        """Return the id that limits are counted under. A key and its successors by rotation share it."""
        return self.family_id or self.key_id

    @property
    def is_live(self) -> bool:
        """Return whether this is a live key; test keys meter into the test ledger."""
        return self.kind is not KeyKind.TEST
