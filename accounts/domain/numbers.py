"""Numbers for people, in the same form on every page, document and mail: `docs/invoices.md`, section Amounts."""

from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Final

from babel import Locale
from babel.numbers import parse_pattern

_LOCALE: Final = Locale("en")
_MINUS: Final = "\N{MINUS SIGN}"
# As wide as the sums of a meter, so that no digit is lost on the way.
_EXACT: Final = Context(prec=120)
_PLACES_MIN: Final = 3
_SIGNIFICANT: Final = 4
BYTES: Final = "bytes"
_BYTE_UNITS: Final = ("kB", "MB", "GB", "TB", "PB")


def number_text(number: Decimal | int | str, *, decimals_min: int = 0) -> str:
    """Return an exact number with its thousands grouped and every digit that it has: 1234567.50 is `1,234,567.5`.

    Zeros at the end are left out beyond `decimals_min` digits after the point.
    """
    exact = Decimal(number)
    assert exact.is_finite(), "a number that is shown is finite"
    with localcontext(_EXACT):
        text = parse_pattern(f"#,##0.{'0' * decimals_min}#").apply(abs(exact), _LOCALE, decimal_quantization=False)
    return f"{_MINUS}{text}" if exact < 0 else str(text)


def short_number_text(number: Decimal | int) -> str:
    """Return a number with so many digits that people read it: 29.166666667 is `29.167`, 0.333333333 is `0.3333`.

    Whole digits are all shown. After the point are up to three digits, or so many that four significant ones are shown.
    Documents, and what is computed with, show `number_text`.
    """
    return number_text(shortened(Decimal(number)))


def short_bytes_text(number: Decimal | int) -> str:
    """Return many bytes in a larger unit, to three digits: 39126543 is `39.1 MB`; empty for fewer than a thousand."""
    exact = Decimal(number)
    power = min(max(exact.adjusted(), 0) // 3, len(_BYTE_UNITS))
    if not power or exact < 0:
        return ""
    scaled = exact.scaleb(-3 * power)
    places = max(2 - scaled.adjusted(), 0)
    rounded = scaled.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)
    return f"{number_text(rounded)} {_BYTE_UNITS[power - 1]}"


def shortened(number: Decimal) -> Decimal:
    """Return the number that `short_number_text` shows, rounded half-up."""
    places = max(_PLACES_MIN, _SIGNIFICANT - 1 - number.adjusted()) if number else 0
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "a number that is shown is finite"
    if -exponent <= places:
        return number
    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)


def counted(number: Decimal | int, unit: str) -> str:
    """Return a number beside the name of its unit, which is given in the plural: `1 day`, `2,000 requests`."""
    return f"{number_text(number)} {unit_name(unit, number)}".strip()


def unit_name(unit: str, quantity: Decimal | int) -> str:
    """Return the name of a unit for a quantity of it: 1 `request`, 2 `requests`.

    Units are kept in the plural, in English. What does not end as a plural does stays as it is (`GB`, `bytes/s`).
    """
    if quantity != 1 or not unit.endswith("s") or unit.endswith(("ss", "us", "is", "/s")):
        return unit
    if unit.endswith("ies") and len(unit) > len("dies"):
        return f"{unit[:-3]}y"
    return unit[:-2] if unit.endswith(("sses", "ches", "shes", "xes", "zes")) else unit[:-1]
