"""The places of many leaves in the trees of their days, reading each block of a tree once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Final

from metering.domain.ledger import Ledger
from metering.proofs.domain.trees import BLOCK_LEAVES, hashes_in, levels_of, path_in
from metering.proofs.models import DayRoot, LeafBlock
from metering.proofs.selectors.counted import CountedLeaf

_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TreePlace:
    """Where a leaf stands: the day of the tree, its index, and the siblings on its way to the root."""

    day: date
    index: int
    path: list[bytes]


def places_of(
    ledger: Ledger, leaves: Iterable[CountedLeaf], days: Mapping[date, DayRoot]
) -> Iterator[tuple[CountedLeaf, TreePlace | None]]:
    """Yield each leaf with its place in the tree of its day or, if it was late, of the day after; None if in neither.

    `leaves` come by their days of receipt and, within a day, ascending. Only trees of the given signed days are read.
    """
    for day, received in groupby(leaves, key=lambda one: one.day):
        trees = [_Tree(ledger, days[one]) for one in (day, day + _ONE_DAY) if one in days]
        for leaf in received:
            yield leaf, next((place for tree in trees if (place := tree.place_of(leaf.leaf)) is not None), None)


class _Tree:
    """The tree of a day, walked from its first leaf to its last."""

    def __init__(self, ledger: Ledger, row: DayRoot) -> None:
        self._row = row
        self._blocks = LeafBlock.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live, day=row.day)
        self._above = levels_of(hashes_in(bytes(row.block_roots)))
        self._number = -1
        self._last = b""
        self._indexes: dict[bytes, int] = {}
        self._levels: list[list[bytes]] = []

    def place_of(self, leaf: bytes) -> TreePlace | None:
        """Return the place of a leaf, which is greater than those that were asked for before."""
        if leaf > self._last:
            self._go_to(leaf)
        within = self._indexes.get(leaf)
        if within is None:
            return None
        path = path_in(self._levels, within) + path_in(self._above, self._number)
        return TreePlace(self._row.day, self._number * BLOCK_LEAVES + within, path)

    def _go_to(self, leaf: bytes) -> None:
        """Read the block that has the leaf if any has: the last one that does not begin behind it."""
        block = (
            self._blocks.filter(number__gte=self._number, hashes__lte=leaf + b"\xff" * 32).order_by("-number").first()
        )
        if block is None or block.number == self._number:
            return
        hashes = hashes_in(bytes(block.hashes))
        self._number, self._last = block.number, hashes[-1]
        self._indexes = {one: index for index, one in enumerate(hashes)}
        self._levels = levels_of(hashes)
