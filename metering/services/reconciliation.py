"""Reconciliation: proof that every rollup says what the ledger says, or the names of those that do not.

It changes nothing: a drift is our own mistake, shown loudly, and `rebuild_usage` mends it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from metering.domain.ledger import Drift, Ledger
from metering.selectors.ledger_totals import drifts_of


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared and what was found."""

    ledgers: int
    drifts: tuple[Drift, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every rollup agrees with the ledger."""
        return not self.drifts


def reconcile(*, ledgers: Iterable[Ledger]) -> Reconciliation:
    """Compare each ledger with its rollups, one after the other.

    So memory stays bounded by one tenant's buckets.
    """
    count = 0
    drifts: list[Drift] = []
    for ledger in ledgers:
        count += 1
        drifts += drifts_of(ledger)
    return Reconciliation(ledgers=count, drifts=tuple(drifts))
