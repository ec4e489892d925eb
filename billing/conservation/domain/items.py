"""What becomes of single items that staff add to a next invoice. Pure; `docs/algorithms/invoicing.md`, V13.

A charge stands on one document, ever; a credit on one that is in force, once an invoice followed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from billing.conservation.domain.costs import digits_of, rounded

# A computation may or may not include changes this long before it.
_EARLY: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class TakenItem:
    """A line of an issued invoice over an item; `gone_at` is when the last document in its place stopped counting."""

    number: str
    amount_minor: int
    gone_at: datetime | None
    tax: tuple[str, Decimal]


@dataclass(frozen=True, slots=True)
class ItemLife:
    """An item as it was entered, its lines in the order of their invoices, and its subscription's latest invoice."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    currency: str
    created_at: datetime
    cancelled_at: datetime | None
    latest_number: str
    latest_at: datetime | None
    lines: Sequence[TakenItem]


@dataclass(frozen=True, slots=True)
class LostItem:
    """A misplaced item, below the number of an invoice."""

    number: str
    detail: str


def lost_items(life: ItemLife) -> Iterator[LostItem]:
    """Yield what is wrong with an item: another amount, taken twice, although cancelled, or not at all."""
    right = rounded(Fraction(life.quantity) * Fraction(life.unit_price), digits_of(life.currency))
    named = f"the single item {life.description!r}"
    for line in life.lines:
        if line.amount_minor != right:
            yield LostItem(line.number, f"It has {line.amount_minor} for {named}, and {right} is right.")
        if line.tax != life.lines[0].tax:
            yield LostItem(line.number, f"It has another tax for {named} than {life.lines[0].number}.")
        if life.cancelled_at is not None:
            yield LostItem(line.number, f"It has {named}, which was cancelled.")
    standing = [line for line in life.lines if right > 0 or _counts(line, life.latest_at)]
    for line in standing[1:]:
        yield LostItem(line.number, f"It has {named}, which stands on {standing[0].number}.")
    if not standing and _is_overdue(life):
        yield LostItem(life.latest_number, f"It does not have {named}, which waited for it.")


def _counts(line: TakenItem, latest_at: datetime | None) -> bool:
    """Return whether a line was in force when the latest invoice was computed, or may have been."""
    return line.gone_at is None or latest_at is None or line.gone_at > latest_at - _EARLY


def _is_overdue(life: ItemLife) -> bool:
    if life.cancelled_at is not None or life.latest_at is None:
        return False
    return life.created_at <= life.latest_at - _EARLY
