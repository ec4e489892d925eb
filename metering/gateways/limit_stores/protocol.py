"""The protocol of a store of limits.

A store may lose everything at any time, and reports counters that it does not know.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, LimitLevels, Throttle


class LimitStore(Protocol):
    """Counters and token buckets. A claim returns None if the store does not know a counter.

    A transactional store is part of the ledger's transaction: ingest counts in it, and a rollback undoes that.
    """

    is_transactional: bool

    def peek(self, claim: Claim) -> LimitLevels | None:
        """Return whether the claim would pass, without taking."""

    def take(self, claim: Claim) -> LimitLevels | None:
        """Take the whole claim or nothing, in one atomic step."""

    def add(self, ledger: Ledger, amounts: Mapping[CounterKey, Decimal]) -> None:
        """Add ingested amounts, unless ingest has counted them; an unknown counter stays unknown."""

    def store(self, ledger: Ledger, used: Mapping[CounterKey, Decimal], as_of: datetime) -> None:
        """Set counters. Exact while the ledger is locked."""

    def fill_buckets(self, ledger: Ledger, throttles: Sequence[Throttle], as_of: datetime) -> None:
        """Create missing buckets, full."""

    def forget(self, ledger: Ledger, as_of: datetime) -> None:
        """Mark the current counters as unknown."""

    def stored(self, ledger: Ledger, as_of: datetime) -> dict[CounterKey, Decimal]:
        """Return every current counter that is known."""

    def delete_ended(self, ended_before: datetime) -> int:
        """Delete the counters of periods that ended before `ended_before`, unless they expire; return how many."""
