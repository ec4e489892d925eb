"""Exact quantities: parsing and addition without losing a digit, and the one division, which rounds."""

import re
from decimal import Context, Decimal, Inexact
from typing import Final

from metering.domain.canonical import InexactNumberError, canonical_number

# 20 digits before the point, 30 after it, and room for the sum of all possible events.
EXACT: Final = Context(prec=100, traps=[Inexact])
QUANTITY_DIGITS_MAX: Final = 20
QUANTITY_DECIMAL_PLACES_MAX: Final = 9
_QUOTIENT_STEP: Final = Decimal("0.000000001")
# Digits for the numerator of the largest quotient; the whole part of a quotient is exact.
_QUOTIENTS: Final = Context(prec=200)
_QUANTITY_TEXT: Final = re.compile(r"-?[0-9]{1,60}(?:\.[0-9]{1,60})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_PLAIN_QUANTITY_TEXT: Final = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?", re.ASCII)


def read_quantity(value: object) -> int | Decimal:
    """Read a quantity: finite, not negative, 20 digits, 9 of them after the point.

    Accepts a text, an int or a Decimal; trailing zeros do not count as digits.
    Raises ValueError with a sentence for the sender.
    """
    if isinstance(value, str):
        if _PLAIN_QUANTITY_TEXT.fullmatch(value):
            return _plain_quantity(value)
        if not _QUANTITY_TEXT.fullmatch(value):
            raise ValueError("A decimal number such as 12.5, of at most 20 digits.")
        return _bounded_quantity(Decimal(value))
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return _bounded_quantity(value)
    raise ValueError("A decimal number, as a string or as a JSON number.")


def _plain_quantity(text: str) -> int | Decimal:
    """Return the canonical number of a text that is short enough to be in bounds, as most are."""
    if "." not in text:
        return int(text)
    short = text.rstrip("0").removesuffix(".")
    return Decimal(short) if "." in short else int(short)


def _bounded_quantity(value: int | Decimal) -> int | Decimal:
    """Return the canonical number of a quantity. Raises ValueError."""
    try:
        number = canonical_number(value)
    except InexactNumberError as error:
        raise ValueError(f"The number is out of bounds: {error}.") from error
    if number < 0:
        raise ValueError("A quantity is not negative.")
    if isinstance(number, Decimal):
        digits, exponent = number.as_tuple()[1:]
        assert isinstance(exponent, int), "a finite number has a whole exponent"
        if -exponent > QUANTITY_DECIMAL_PLACES_MAX:
            raise ValueError("At most 9 digits after the point.")
        if len(digits) > QUANTITY_DIGITS_MAX:
            raise ValueError("At most 20 digits.")
    return number


def divided(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Return a quotient of numbers that are not negative, rounded half-up to 9 places, without trailing zeros."""
    halves = _QUOTIENTS.multiply(divisor, Decimal(2))
    doubled = _QUOTIENTS.divide(_QUOTIENTS.multiply(dividend, Decimal(2)), _QUOTIENT_STEP)
    whole = _QUOTIENTS.divide_int(_QUOTIENTS.add(doubled, divisor), halves)
    return Decimal(format(_QUOTIENTS.normalize(_QUOTIENTS.multiply(whole, _QUOTIENT_STEP)), "f"))
