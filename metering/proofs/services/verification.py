"""Verify ledgers by their signed days: a changed, removed, inserted or re-dated event is found, whoever did it.

Signatures and chain say that the trees are those which were signed; then the ledger's rows are compared with the trees.
Triggers and privileges play no part, so it also holds against the owner of the database. `docs/security-model.md` says
what it cannot find.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from metering.domain.ledger import Ledger
from metering.proofs.domain.signatures import is_signed
from metering.proofs.domain.statements import NOTHING_BEFORE, half_name
from metering.proofs.domain.trees import hashes_in, root_of
from metering.proofs.errors import ProofKeyUnreadableError
from metering.proofs.models import DayRoot, LeafBlock, ProofKey
from metering.proofs.selectors.differences import DayDifference, differences_between, rows_outside
from metering.proofs.selectors.roots import chain_of, statement_of
from metering.proofs.services.keys import private_part
from metering.selectors.retention import deleted_before

CLOCK_AHEAD_MAX: Final = timedelta(hours=1)
DAYS_PER_READ: Final = 31
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Break:
    """A day on which a ledger is not what was signed. `detail` is a sentence for people."""

    ledger: Ledger
    day: date
    detail: str

    def __str__(self) -> str:
        return f"{self.ledger.tenant_id} ({half_name(is_live=self.ledger.is_live)}), {self.day}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Verified:
    """How many ledgers, days and leaves were verified, and what breaks, the first day of each ledger first."""

    ledgers: int
    days: int
    leaves: int
    breaks: tuple[Break, ...]


def verify_ledgers(*, ledgers: Iterable[Ledger], as_of: datetime) -> Verified:
    """Verify each ledger from its first signed day on, a month at a time. Memory is bounded."""
    keys, bad_keys = _trusted_keys()
    count = days = leaves = 0
    breaks: list[Break] = []
    for ledger in ledgers:
        chain = list(chain_of(ledger))
        if not chain:
            continue
        count, days, leaves = count + 1, days + len(chain), leaves + sum(row.leaves for row in chain)
        found = [*_broken_chain(ledger, chain, keys), *_broken_rows(ledger, chain, as_of)]
        found += [Break(ledger, row.day, f"key {row.key_id} is not ours") for row in chain if row.key_id in bad_keys]
        breaks += sorted(found, key=lambda one: one.day)
    return Verified(count, days, leaves, tuple(breaks))


def _trusted_keys() -> tuple[dict[str, bytes], set[str]]:
    """Return the public keys whose private part is ours, and the ids of others. The database alone can make none."""
    trusted, others = {}, set()
    for key in ProofKey.objects.all():
        try:
            private_part(key)
        except ProofKeyUnreadableError:
            others.add(key.id)
        trusted[key.id] = bytes(key.public_key)
    return trusted, others


def _broken_chain(ledger: Ledger, chain: Sequence[DayRoot], keys: dict[str, bytes]) -> list[Break]:
    breaks, previous, expected = [], NOTHING_BEFORE, chain[0].day
    for row in chain:
        statement = statement_of(row)
        if row.day != expected:
            breaks.append(Break(ledger, expected, "a signed day is missing"))
        elif bytes(row.previous) != previous:
            breaks.append(Break(ledger, row.day, "the chain breaks: it names another day before"))
        if not is_signed(keys[row.key_id], statement.text, bytes(row.signature)):
            breaks.append(Break(ledger, row.day, "the signature is not that of the stored root"))
        if not _is_tree(row):
            breaks.append(Break(ledger, row.day, "the stored leaves do not come to the signed root"))
        previous, expected = statement.digest, row.day + _ONE_DAY
    return breaks


def _is_tree(row: DayRoot) -> bool:
    """Return whether the stored leaves, sorted, come to the root, a block at a time."""
    roots, count, last = [], 0, b""
    blocks = LeafBlock.objects.filter(tenant_id=row.tenant_id, is_live=row.is_live, day=row.day).order_by("number")
    for block in blocks.iterator(chunk_size=64):
        hashes = hashes_in(bytes(block.hashes))
        if [last, *hashes] != sorted({last, *hashes}):
            return False
        roots.append(root_of(hashes))
        count, last = count + len(hashes), hashes[-1]
    return (count, root_of(roots)) == (row.leaves, bytes(row.root))


def _broken_rows(ledger: Ledger, chain: Sequence[DayRoot], as_of: datetime) -> list[Break]:
    deleted, first, last = deleted_before(), chain[0].day, chain[-1].day
    oldest = {row.day: row.oldest_at for row in chain}
    breaks = []
    start = first
    while start <= last:
        end = min(start + timedelta(days=DAYS_PER_READ - 1), last)
        for one in differences_between(ledger, start, end):
            known_oldest = oldest.get(one.day)
            is_deleted = deleted is not None and known_oldest is not None and known_oldest < deleted[0]
            added = 0 if one.day == last else one.added  # what came late waits for the next tree
            gone = 0 if is_deleted else one.gone  # raw events went by their term
            if gone or added:
                breaks.append(Break(ledger, one.day, _told(DayDifference(one.day, gone, added, one.example))))
        start = end + _ONE_DAY
    outside = rows_outside(ledger, first, as_of + CLOCK_AHEAD_MAX)
    if outside:
        breaks.append(Break(ledger, first, f"{outside} events say that they were received when none was signed"))
    return breaks


def _told(one: DayDifference) -> str:
    if not one.added:
        return f"{one.gone} of its events or voids are removed, changed or re-dated"
    if not one.gone:
        return f"{one.added} events or voids were inserted or re-dated, such as {one.example}"
    return (
        f"{one.gone} of its events or voids are changed or removed, {one.added} others are there, such as {one.example}"
    )
