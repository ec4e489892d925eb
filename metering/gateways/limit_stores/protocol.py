"""The protocol of a store of limits.

A store may lose everything at any time, and reports counters that it does not know.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, LimitLevels, Throttle
from metering.domain.reservations import NOBODY_HOLDS, Held


class LimitStore(Protocol):
    """Counters and token buckets. A claim returns None if the store does not know a counter.

    If a store has the counters of all subjects of a meter and period, one that is missing is 0.

    A counter of which something that was held has expired is not known either: it is summed up again without it.

    A transactional store is part of the ledger's transaction: ingest counts in it, and a rollback undoes that.
    """

    is_transactional: bool

    def peek(self, claim: Claim) -> LimitLevels | None:
        """Return whether the claim would pass, without taking."""

    def take(self, claim: Claim) -> LimitLevels | None:
        """Take the whole claim or nothing, in one atomic step."""

    def add(self, ledger: Ledger, amounts: Mapping[CounterKey, Decimal]) -> None:
        """Add ingested amounts, unless ingest has counted them; an unknown counter stays unknown."""

    def store(
        self,
        ledger: Ledger,
        used: Mapping[CounterKey, Decimal],
        as_of: datetime,
        held: Mapping[CounterKey, Held] = NOBODY_HOLDS,
    ) -> None:
        """Set what is used and held of counters. Exact while the ledger is locked."""

    def used_by_subjects(
        self, ledger: Ledger, marker: CounterKey, keys: Sequence[CounterKey]
    ) -> dict[CounterKey, Decimal] | None:
        """Return what is used of these counters of a meter and period, 0 for one that is missing.

        None if the store does not know the counters of all subjects, which `marker` tells.
        """

    def store_subjects(
        self,
        ledger: Ledger,
        marker: CounterKey,
        used: Mapping[CounterKey, Decimal],
        as_of: datetime,
        held: Mapping[CounterKey, Held],
    ) -> None:
        """Replace the counters of all subjects of a meter and period. Exact while the ledger is locked."""

    def fill_buckets(self, ledger: Ledger, throttles: Sequence[Throttle], as_of: datetime) -> None:
        """Create missing buckets, full."""

    def forget(self, ledger: Ledger, as_of: datetime) -> None:
        """Mark the current counters as unknown."""

    def stored(self, ledger: Ledger, as_of: datetime) -> dict[CounterKey, Decimal]:
        """Return what is used of every current counter that is known."""

    def delete_ended(self, ended_before: datetime) -> int:
        """Delete the counters of periods that ended before `ended_before`, unless they expire; return how many."""
