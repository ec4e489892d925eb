"""The cost of usage, in fractions: the stretches of one meter in one period, one after another.

It follows `docs/algorithms/rating.md`, and was written from the page only. Terms are read as they are stored.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import ceil
from typing import Any, Final

_NOTHING: Final = Fraction()
# The currencies of ISO 4217 that do not have two digits.
_NO_DIGITS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DIGITS: Final = "CLF UYW"


@dataclass(frozen=True, slots=True)
class Tariff:
    """A stored price; two stretches at one price have the same `price_id`."""

    price_id: int
    model: str
    terms: Mapping[str, Any]


def is_readable(tariff: Tariff) -> bool:
    """Return whether a price has the cost of a unit. A price that was changed by hand in the database may lack it."""
    try:
        cost_of_stretches([(tariff, Fraction(1))], 2)
    except (ArithmeticError, KeyError, StopIteration, TypeError, ValueError):
        return False
    return True


def digits_of(currency: str) -> int:
    """Return the number of digits after the point of an amount."""
    if currency in _NO_DIGITS.split():
        return 0
    if currency in _THREE_DIGITS.split():
        return 3
    return 4 if currency in _FOUR_DIGITS.split() else 2


def rounded(amount: Fraction, digits: int) -> int:
    """Return an amount of the major unit in minor units, halves away from zero."""
    whole, parts = abs(amount.numerator) * 10**digits, amount.denominator
    minor: int = (2 * whole + parts) // (2 * parts)
    return minor if amount >= 0 else -minor


def cost_of_stretches(stretches: Sequence[tuple[Tariff, Fraction]], digits: int) -> list[int]:
    """Return the cost of each stretch in minor units; stretches at one price are rounded together."""
    if len(stretches) == 1:  # as nearly always; sums of fractions are dear
        [(tariff, quantity)] = stretches
        return [rounded(_PeriodProgress(quantity).cost(tariff, quantity), digits)]
    running = _PeriodProgress(sum((quantity for _, quantity in stretches), _NOTHING))
    exact: dict[int, Fraction] = defaultdict(Fraction)
    amounts = []
    for tariff, quantity in stretches:
        before = exact[tariff.price_id]
        exact[tariff.price_id] += running.cost(tariff, quantity)
        amounts.append(rounded(exact[tariff.price_id], digits) - (rounded(before, digits) if before else 0))
    return amounts


class _PeriodProgress:
    """The units counted so far in a period, the one-time charges paid, and the units that packages cover."""

    def __init__(self, total: Fraction) -> None:
        self.total = total
        self.units = self.once = self.packed = _NOTHING

    def cost(self, tariff: Tariff, quantity: Fraction) -> Fraction:
        """Return the cost of `quantity` more units, and advance past them."""
        end = quantity if self.units is _NOTHING else self.units + quantity
        cost, asked = self._units_cost(tariff, quantity, end) if quantity else (_NOTHING, self._asked_at_zero(tariff))
        self.units = end
        if asked is self.once or asked <= self.once:
            return cost
        due, self.once = asked - self.once, asked
        return cost + due

    def _units_cost(self, tariff: Tariff, quantity: Fraction, end: Fraction) -> tuple[Fraction, Fraction]:
        """Return the cost of `quantity` units up to `end`, and the one-time charges."""
        terms = tariff.terms
        match tariff.model:
            case "flat":
                return _NOTHING, _number(terms["amount"])
            case "per_unit":
                return quantity * _number(terms["unit_amount"]), _NOTHING
            case "package":
                packages = self._packages(_number(terms["package_size"]), end)
                return packages * _number(terms["package_amount"]), _NOTHING
            case "volume":
                tier = next(tier for tier in terms["tiers"] if _reaches(tier, self.total))
                return quantity * _number(tier["unit_amount"]), _number(tier["flat_amount"])
        return self._graduated(terms["tiers"], end)

    def _asked_at_zero(self, tariff: Tariff) -> Fraction:
        if not tariff.terms.get("charge_flat_at_zero", False):
            return _NOTHING
        reached = self.total if tariff.model == "volume" else _NOTHING
        return _number(next(tier for tier in tariff.terms["tiers"] if _reaches(tier, reached))["flat_amount"])

    def _packages(self, size: Fraction, end: Fraction) -> int:
        begin = max(self.units, self.packed)
        packages = ceil(max(end - begin, _NOTHING) / size)
        if packages:
            self.packed = begin + packages * size
        return packages

    def _graduated(self, tiers: Sequence[Mapping[str, Any]], end: Fraction) -> tuple[Fraction, Fraction]:
        cost = asked = start = _NOTHING
        for tier in tiers:
            if end <= start:
                break
            top = end if tier["up_to"] is None else min(end, _number(tier["up_to"]))
            begin = max(start, self.units)
            if top > begin:
                cost += (top - begin) * _number(tier["unit_amount"])
            if flat := _number(tier["flat_amount"]):
                asked += flat
            start = top
        return cost, asked


def _reaches(tier: Mapping[str, Any], quantity: Fraction) -> bool:
    return tier["up_to"] is None or quantity <= _number(tier["up_to"])


@lru_cache(maxsize=4096)
def _number(stored: str | float) -> Fraction:
    """Return a number of a price's terms, which many subscriptions have."""
    return Fraction(stored)


def fee_parts(
    fees: Sequence[tuple[int, Fraction]], *, days: int, ended: int, gives_back: bool, is_owed: bool, digits: int
) -> int:
    """Return the amount of changes and an end within a period of `days` days, without the fee that it began with.

    `fees` are the fees in order, each with the number of the day on which it began, the first on day 0; `ended` is the
    number of the day of the end, or `days`. A charge that is no longer owed is not refunded.
    """
    parts = []
    for (_, before), (day, after) in pairwise(fees):
        rest = Fraction(ended - day, days)
        parts += [-rounded(before * rest, digits), rounded(after * rest, digits)] if ended > day else []
    if parts and not is_owed:
        parts[0] = 0
    if not gives_back:
        return max(sum(parts), 0)
    unused = rounded(fees[0][1] * Fraction(days - ended, days), digits) if is_owed else 0
    return sum(parts) - unused
