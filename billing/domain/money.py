"""Amounts: integers of a currency's minor unit. One function crosses from a rate to an amount, one splits an amount.

The digits are ISO 4217's (list one of 2026); rounding is half-up, away from zero, once per line. `docs/algorithms/rating.md`.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

NO_DIGITS: Final = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())  # noqa: SIM905
THREE_DIGITS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
FOUR_DIGITS: Final = frozenset({"CLF", "UYW"})
# Wide enough for a quantity of 29 digits times a rate of 24, with nothing rounded on the way.
EXACT: Final = Context(prec=120, rounding=ROUND_HALF_UP)
# Ten billion in a currency of two digits: more than that on one invoice is a mistake, and not billed without a person's look.
AMOUNT_MINOR_MAX: Final = 10**12


def currency_digits(currency: str) -> int:
    """How many digits of `currency` stand after the point: 2 for EUR, 0 for JPY, 3 for KWD."""
    if currency in NO_DIGITS:
        return 0
    if currency in THREE_DIGITS:
        return 3
    return 4 if currency in FOUR_DIGITS else 2


def round_to_minor(amount: Decimal, currency: str) -> int:
    """Return an exact amount of `currency`, in its major unit, as minor units: half-up, away from zero."""
    assert amount.is_finite(), "an amount is a number"
    shifted = amount.scaleb(currency_digits(currency), context=EXACT)
    return int(shifted.quantize(Decimal(1), rounding=ROUND_HALF_UP, context=EXACT))


def to_major(amount_minor: int, currency: str) -> Decimal:
    """Return minor units as a decimal of the major unit, with the currency's digits: 1050 of EUR is 10.50."""
    return Decimal(amount_minor).scaleb(-currency_digits(currency), context=EXACT)


def is_whole_minor(amount: Decimal, currency: str) -> bool:
    """Whether the amount, in the major unit, can be paid to the last digit."""
    shifted = amount.scaleb(currency_digits(currency), context=EXACT)
    return shifted == shifted.to_integral_value()


def allocate(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Split an amount in proportion to `weights` so that the parts sum to it; largest remainders get what is left over.

    Source: Hamilton's method. Equal remainders are served from the left.
    """
    total = sum(weights)
    assert total > 0, "some weight is above 0"
    assert all(weight >= 0 for weight in weights), "no weight is below 0"
    sign = -1 if amount_minor < 0 else 1
    quotients = [divmod(abs(amount_minor) * weight, total) for weight in weights]
    parts = [quotient for quotient, _ in quotients]
    missing = abs(amount_minor) - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda position: (-quotients[position][1], position))
    for position in by_remainder[:missing]:
        parts[position] += 1
    return [sign * part for part in parts]
