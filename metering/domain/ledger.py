"""Values about the ledger: a tenant's half of it, the result of an ingest, and drifts of rollups."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

NO_KEY = UUID(int=0)
TENANT_SCOPE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Ledger:
    """One tenant's live or test half of the ledger, with the time zone of its days.

    Billing periods are months from `period_anchor_on`; without it those of the calendar.
    """

    tenant_id: UUID
    is_live: bool
    time_zone: str
    backfill_days: int
    period_anchor_on: date | None = None

    @property
    def lock_key(self) -> int:
        """Return the advisory lock of this half: 64 bits of the tenant's id, the last of which is live or test."""
        bits = int.from_bytes(self.tenant_id.bytes[8:], signed=True)
        return bits | 1 if self.is_live else bits & ~1


@dataclass(frozen=True, slots=True)
class CounterKey:
    """A counter of a limit that ingest updates.

    `scope_id` is a key's id, TENANT_SCOPE, or a digest of `subject`; the period is half-open.
    """

    scope_id: UUID
    meter_id: int
    period_start: datetime
    period_end: datetime
    subject: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The outcome of each event, by `ParsedEvent.index`. `too_late` are new events of a closed month."""

    accepted: tuple[int, ...]
    duplicates: tuple[int, ...]
    conflicts: tuple[int, ...]
    too_late: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """A place where a rollup differs from the ledger.

    `events` count events, `quantity` is in the meter's unit.
    """

    tenant_id: UUID
    is_live: bool
    rollup: str
    bucket: Mapping[str, object]
    quantity_in_ledger: Decimal
    quantity_in_rollup: Decimal
    events_in_ledger: int
    events_in_rollup: int

    def __str__(self) -> str:
        place = ", ".join(f"{name} {value}" for name, value in self.bucket.items())
        half = "live" if self.is_live else "test"
        return (
            f"{self.rollup} of tenant {self.tenant_id} ({half}), {place}: ledger {self.quantity_in_ledger} in "
            f"{self.events_in_ledger} events, rollup {self.quantity_in_rollup} in {self.events_in_rollup}"
        )
