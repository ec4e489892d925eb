"""Reconciliation: check that every rollup equals the ledger, or list the drifts.

It changes nothing: a drift is a fault of the program, shown to the operator, and `rebuild_usage` repairs it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from metering.domain.ledger import Drift, Ledger
from metering.selectors.ledger_totals import buckets_of, drifts_of


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The number of compared ledgers, and of hours and days that their rollups have, and the drifts found."""

    ledgers: int
    drifts: tuple[Drift, ...]
    hours: int = 0
    days: int = 0

    @property
    def is_clean(self) -> bool:
        """Return whether every rollup agrees with the ledger."""
        return not self.drifts


def reconcile(*, ledgers: Iterable[Ledger]) -> Reconciliation:
    """Compare each ledger with its rollups, one after the other.

    Memory is bounded by one tenant's buckets.
    """
    count = hours = days = 0
    drifts: list[Drift] = []
    for ledger in ledgers:
        count += 1
        drifts += drifts_of(ledger)
        some_hours, some_days = buckets_of(ledger)
        hours, days = hours + some_hours, days + some_days
    return Reconciliation(ledgers=count, drifts=tuple(drifts), hours=hours, days=days)
