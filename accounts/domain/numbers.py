"""Numbers for people, in the same form on every page, document and mail: `docs/invoices.md`, section Amounts."""

from decimal import Context, Decimal, localcontext
from typing import Final

from babel import Locale
from babel.numbers import parse_pattern

_LOCALE: Final = Locale("en")
_MINUS: Final = "\N{MINUS SIGN}"
# As wide as the sums of a meter, so that no digit is lost on the way.
_EXACT: Final = Context(prec=120)


def number_text(number: Decimal | int | str, *, decimals_min: int = 0) -> str:
    """Return an exact number with its thousands grouped and every digit that it has: 1234567.50 is `1,234,567.5`.

    Zeros at the end are left out beyond `decimals_min` digits after the point.
    """
    exact = Decimal(number)
    assert exact.is_finite(), "a number that is shown is finite"
    with localcontext(_EXACT):
        text = parse_pattern(f"#,##0.{'0' * decimals_min}#").apply(abs(exact), _LOCALE, decimal_quantization=False)
    return f"{_MINUS}{text}" if exact < 0 else str(text)


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
