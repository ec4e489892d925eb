"""Amounts: integers of a currency's minor unit.

One function crosses from a rate to an amount, one splits an amount, one writes it.

The digits are ISO 4217's (list one of 2026); rounding is half-up, away from zero, once per line.
`docs/algorithms/rating.md`.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from accounts.domain.numbers import number_text

NO_DIGITS: Final = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())  # noqa: SIM905
THREE_DIGITS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
FOUR_DIGITS: Final = frozenset({"CLF", "UYW"})
_DIGITS: Final = dict.fromkeys(NO_DIGITS, 0) | dict.fromkeys(THREE_DIGITS, 3) | dict.fromkeys(FOUR_DIGITS, 4)
_UNIT: Final = Decimal(1)
# Wide enough for a quantity of 29 digits times a rate of 24, with nothing rounded on the way.
EXACT: Final = Context(prec=120, rounding=ROUND_HALF_UP)
# Ten billion in a currency of two digits: more than that on one invoice is a mistake, and not billed without a person's
# look.
AMOUNT_MINOR_MAX: Final = 10**12
_SPACE: Final = "\N{NO-BREAK SPACE}"


def currency_digits(currency: str) -> int:
    """Return how many digits `currency` has after the point: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _DIGITS.get(currency, 2)


def round_to_minor(amount: Decimal, currency: str) -> int:
    """Return an exact amount of `currency`, in its major unit, as minor units: half-up, away from zero."""
    assert amount.is_finite(), "an amount is a number"
    shifted = amount.scaleb(currency_digits(currency), context=EXACT)
    return int(shifted.quantize(_UNIT, rounding=ROUND_HALF_UP, context=EXACT))


def to_major(amount_minor: int, currency: str) -> Decimal:
    """Return minor units as a decimal of the major unit, with the currency's digits: 1050 of EUR is 10.50."""
    return Decimal(amount_minor).scaleb(-currency_digits(currency), context=EXACT)


def is_whole_minor(amount: Decimal, currency: str) -> bool:
    """Return whether the amount, in the major unit, can be paid to the last digit."""
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


def money_text(amount_minor: int, currency: str) -> str:
    """Return minor units as people read them: 123450 of EUR is `1,234.50 EUR`."""
    return f"{amount_text(amount_minor, currency)}{_SPACE}{currency}"


def amount_text(amount_minor: int, currency: str) -> str:
    """Return the same without the currency, for a column whose head says it."""
    return exact_text(to_major(amount_minor, currency), currency)


def rate_text(amount: Decimal | str, currency: str) -> str:
    """Return an exact amount of the major unit with every digit that it has: 0.000125 of EUR is `0.000125 EUR`."""
    return f"{exact_text(amount, currency)}{_SPACE}{currency}"


def exact_text(amount: Decimal | str, currency: str) -> str:
    """Return the same without the currency. It has at least the digits of the currency: 0.5 of EUR is `0.50`."""
    return number_text(amount, decimals_min=currency_digits(currency))


def price_tag_text(amount: Decimal, currency: str) -> str:
    """Return an exact amount as a price tag has it, without digits after the point where they are all 0: `49 EUR`."""
    is_whole = amount == amount.to_integral_value()
    return f"{number_text(amount)}{_SPACE}{currency}" if is_whole else rate_text(amount, currency)
