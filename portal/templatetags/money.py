"""How money is written: the one place that turns amounts and rates into text for people, by Babel's symbols.

An amount has the digits that its currency has. A rate has at least those, and up to 12 where it is finer, without zeros behind.
"""

from decimal import Decimal
from typing import Final

from babel.numbers import format_currency
from django import template

from billing.domain.money import currency_digits, to_major

register = template.Library()

_SPACE: Final = "\N{NO-BREAK SPACE}"
_MINUS: Final = "\N{MINUS SIGN}"
_RATE_DIGITS_MAX: Final = 12


@register.filter
def money(amount_minor: int | None, currency: str) -> str:
    """Minor units as people write them: 123450 of EUR is `€ 1,234.50`."""
    if amount_minor is None:
        return ""
    digits = currency_digits(currency)
    return _written(to_major(amount_minor, currency), currency, "0" * digits)


@register.filter
def rate(amount: Decimal | str, currency: str) -> str:
    """An exact amount of the major unit: `0.000125` of EUR is `€ 0.000125`, `0.5` is `€ 0.50`."""
    digits = currency_digits(currency)
    return _written(Decimal(amount), currency, "0" * digits + "#" * (_RATE_DIGITS_MAX - digits))


@register.filter
def fee(amount: Decimal, currency: str) -> str:
    """An exact amount as a price tag has it: without digits after the point where they are all 0."""
    if amount == amount.to_integral_value():
        return _written(amount, currency, "")
    return rate(amount, currency)


def _written(amount: Decimal, currency: str, decimals: str) -> str:
    pattern = f"¤{_SPACE}#,##0" + (f".{decimals}" if decimals else "")
    return str(
        format_currency(amount, currency, format=f"{pattern};{_MINUS}{pattern}", locale="en", currency_digits=False)
    )
