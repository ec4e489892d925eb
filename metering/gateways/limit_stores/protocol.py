"""What every store of limits does, and in the same way.

It may lose everything at any time, and says what it does not know.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, Standing, Throttle


class LimitStore(Protocol):
    """Counters and token buckets. A claim's answer is None if the store does not know a counter.

    A transactional store takes part in the transaction of the ledger: ingest counts in it, and a rollback gives back.
    """

    is_transactional: bool

    def peek(self, claim: Claim) -> Standing | None:
        """Look whether the claim would pass; takes nothing."""

    def take(self, claim: Claim) -> Standing | None:
        """Take the whole claim or nothing, in one atomic step."""

    def add(self, ledger: Ledger, amounts: Mapping[CounterKey, Decimal]) -> None:
        """Count what was ingested, unless ingest itself has; a counter that is unknown stays so."""

    def store(self, ledger: Ledger, used: Mapping[CounterKey, Decimal], as_of: datetime) -> None:
        """Set counters. Exact while the ledger is locked."""

    def fill_buckets(self, ledger: Ledger, throttles: Sequence[Throttle], as_of: datetime) -> None:
        """Make the buckets that there are not yet, full."""

    def forget(self, ledger: Ledger, as_of: datetime) -> None:
        """Make the running counters unknown."""

    def stored(self, ledger: Ledger, as_of: datetime) -> dict[CounterKey, Decimal]:
        """Return every running counter that is known."""

    def delete_ended(self, ended_before: datetime) -> int:
        """Delete the counters of periods that ended earlier, unless they go by themselves; return how many."""
