"""Template filters of the staff admin for quantities and bars."""

from decimal import Decimal
from typing import Final

from django.template import Library

from accounts.domain.numbers import number_text, short_number_text
from metering.selectors.operations import QuotaUse

register = Library()
NEARLY: Final = 80
FULL: Final = 100


@register.filter
def quantity(number: Decimal | int) -> str:
    """Return a quantity with its thousands grouped and without trailing zeros."""
    return number_text(number)


@register.filter
def used(number: Decimal | int) -> str:
    """Return a meter's quantity as people read it: `29.166666667` is `29.167`."""
    return short_number_text(number)


@register.filter
def fullness(use: QuotaUse) -> str:
    """Return the colour of a quota."""
    if use.percent >= FULL:
        return "full"
    return "near" if use.percent >= NEARLY else "calm"


@register.filter
def bar_width(use: QuotaUse) -> int:
    """Return how much of the bar is filled, in whole percent."""
    return min(int(use.percent), FULL)
