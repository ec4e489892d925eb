"""What usage costs, as plain tiers and fractions, and how an amount is shared out: a part of the plain calculation.

Written from docs/algorithms/rating.md and from nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

NOTHING = Fraction()


@dataclass(frozen=True)
class PlainPrice:
    """What a meter's usage costs: `tiers` are (end, rate, amount due once), or a package's size, rate, 0."""

    name: str
    model: str
    tiers: tuple[tuple[Fraction | None, Fraction, Fraction], ...]


@dataclass(frozen=True)
class PlainPlan:
    """A fee, and by meter what its usage costs."""

    code: str
    fee: Fraction
    prices: dict[str, PlainPrice]


def shared_out(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weights; the largest remainders get one more, the first of those that are equal."""
    exact = [Fraction(amount * weight, sum(weights)) for weight in weights]
    parts = [floor(share) for share in exact]
    by_remainder = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in by_remainder[: amount - sum(parts)]:
        parts[place] += 1
    return parts


def in_turn(prices: Sequence[PlainPrice], quantities: Sequence[Fraction]) -> list[Fraction]:
    """Return what stretches of one period cost exactly, each from where the one before has come to."""
    place = paid_once = in_packages = NOTHING
    costs = []
    for price, quantity in zip(prices, quantities, strict=True):
        end = place + quantity
        cost = asked = NOTHING
        if quantity and price.model == "volume":
            _, rate, asked = next(tier for tier in price.tiers if tier[0] is None or sum(quantities) <= tier[0])
            cost = quantity * rate
        elif quantity and price.model == "package":
            size, rate, _ = price.tiers[0]
            assert size is not None
            begun = max(place, in_packages)
            count = max(ceil((end - begun) / size), 0)
            in_packages = begun + count * size if count else in_packages
            cost = count * rate
        elif quantity:
            start = NOTHING
            for tier_end, rate, once in price.tiers:
                if start < end:
                    top = end if tier_end is None else min(end, tier_end)
                    cost += max(top - max(start, place), NOTHING) * rate
                    asked += once
                    start = top if tier_end is None or tier_end > end else tier_end
        due = max(asked - paid_once, NOTHING)
        paid_once += due
        place = end
        costs.append(cost + due)
    return costs
