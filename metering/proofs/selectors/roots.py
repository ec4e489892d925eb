"""Reads of signed days: a day's root, the path of a leaf, and a ledger's chain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger
from metering.proofs.domain.statements import RootStatement, half_name, instant_text
from metering.proofs.domain.trees import BLOCK_LEAVES, hashes_in, path_of
from metering.proofs.models import DayRoot, LeafBlock
from metering.proofs.selectors.leaves import Half, ledgers_parameter

LATEST: Final = """
SELECT g.tenant_id, g.is_live, (
    SELECT max(r.day) FROM proofs_dayroot AS r WHERE r.tenant_id = g.tenant_id AND r.is_live = g.is_live)
FROM jsonb_to_recordset(%(ledgers)s::jsonb) AS g(tenant_id uuid, is_live boolean)
"""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The place of a leaf in a day's tree, with the siblings on its way to the root."""

    row: DayRoot
    index: int
    path: list[bytes]


def latest_days(halves: Sequence[Half]) -> Mapping[Half, date | None]:
    """Return the last signed day of each ledger; None for a ledger without one."""
    rows = fetch_all(LATEST, {"ledgers": ledgers_parameter(halves)})
    return {(tenant_id, is_live): day for tenant_id, is_live, day in rows}


def root_of_day(ledger: Ledger, day: date) -> DayRoot | None:
    """Return the signed root of a day; None if the day has none."""
    return DayRoot.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live, day=day).first()


def chain_of(ledger: Ledger, *, until: date | None = None) -> Iterator[DayRoot]:
    """Yield the signed days of a ledger from the first on, up to and including `until`."""
    rows = DayRoot.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live)
    if until is not None:
        rows = rows.filter(day__lte=until)
    return rows.order_by("day").iterator(chunk_size=500)


def days_between(ledger: Ledger, first: date, last: date) -> list[DayRoot]:
    """Return the signed days of a ledger from `first` up to and including `last`, in their order."""
    rows = DayRoot.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live, day__range=(first, last))
    return list(rows.order_by("day"))


def inclusion_of(ledger: Ledger, leaf: bytes, days: Sequence[date]) -> Inclusion | None:
    """Return the place of a leaf in the trees of these days; None if none of them has it.

    The leaves of a tree are sorted, so one block of a day is read.
    """
    blocks = LeafBlock.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live)
    for row in DayRoot.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live, day__in=days).order_by("day"):
        block = blocks.filter(day=row.day, hashes__lte=leaf + b"\xff" * 32).order_by("-number").first()
        hashes = [] if block is None else hashes_in(bytes(block.hashes))
        if block is None or leaf not in hashes:
            continue
        within = hashes.index(leaf)
        path = path_of(hashes, within) + path_of(hashes_in(bytes(row.block_roots)), block.number)
        return Inclusion(row, block.number * BLOCK_LEAVES + within, path)
    return None


def statement_of(row: DayRoot) -> RootStatement:
    """Return what was signed."""
    return RootStatement(
        tenant_id=row.tenant_id,
        is_live=row.is_live,
        day=row.day,
        leaves=row.leaves,
        late=row.late,
        oldest_at=row.oldest_at,
        root=bytes(row.root),
        previous=bytes(row.previous),
        key_id=row.key_id,
        signed_at=row.signed_at,
    )


def body_of(row: DayRoot) -> dict[str, object]:
    """Return a signed day as the API shows it. Its members make up the text that is signed."""
    return {
        "tenant": str(row.tenant_id),
        "ledger": half_name(is_live=row.is_live),
        "day": row.day.isoformat(),
        "leaves": row.leaves,
        "late": row.late,
        "oldest": None if row.oldest_at is None else instant_text(row.oldest_at),
        "root": bytes(row.root).hex(),
        "previous": bytes(row.previous).hex(),
        "key": row.key_id,
        "signed": instant_text(row.signed_at),
        "signature": bytes(row.signature).hex(),
    }
