"""What parts of a billing period's usage cost: the amount of the whole, split by quantity so that the parts sum to it.

Tiers belong to the period and not to a day or a key of it, so each unit of a period bears the same share of its amount.
Pure; `docs/usage.md`, section Cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from billing.domain.money import EXACT, allocate
from billing.domain.plan_terms import SoldPrice
from billing.domain.prices import Graduated
from metering.domain.periods import Span

# Meters add up to so many places exactly.
_PLACES: Final = 30
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class PricedSpan:
    """The usage of a meter under one price within one billing period, and what it costs.

    `price` is None for a line of an invoice, whose amount is stored.
    """

    span: Span
    quantity: Decimal
    amount_minor: int
    price: SoldPrice | None = None
    plan_name: str = ""


def amounts_of_parts(priced: PricedSpan, parts: Sequence[Decimal]) -> list[int]:
    """Return the amount of each part of the usage, in minor units.

    Together with what the parts leave of the usage they come to the amount of the whole. A period that costs something
    without usage has no part that bears it: each is 0.
    """
    rest = EXACT.subtract(priced.quantity, _sum(parts))
    weights = [_weight(quantity) for quantity in (*parts, rest)]
    if not any(weights):
        return [0] * len(parts)
    return allocate(priced.amount_minor, weights)[: len(parts)]


def included_units(price: SoldPrice) -> Decimal | None:
    """Return how many units of a period cost nothing, because its first tier is free; None if no tier is."""
    if not isinstance(price.terms, Graduated):
        return None
    first = price.terms.tiers[0]
    return None if first.unit_amount or first.flat_amount else first.up_to


def _weight(quantity: Decimal) -> int:
    return max(int(quantity.scaleb(_PLACES, context=EXACT)), 0)


def _sum(quantities: Sequence[Decimal]) -> Decimal:
    total = _NOTHING
    for quantity in quantities:
        total = EXACT.add(total, quantity)
    return total
