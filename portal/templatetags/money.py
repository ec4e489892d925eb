"""The format of amounts and rates in templates: `billing.domain.money` as filters."""

from decimal import Decimal

from django import template

from billing.domain.money import money_text, price_tag_text, rate_text

register = template.Library()


@register.filter
def money(amount_minor: int | None, currency: str) -> str:
    """Return an amount in minor units as text: 123450 of EUR is `1,234.50 EUR`."""
    return "" if amount_minor is None else money_text(amount_minor, currency)


@register.filter
def rate(amount: Decimal | str, currency: str) -> str:
    """Return an exact amount of the major unit: `0.000125` of EUR is `0.000125 EUR`, `0.5` is `0.50 EUR`."""
    return rate_text(amount, currency)


@register.filter
def fee(amount: Decimal, currency: str) -> str:
    """Return an exact amount in the short form of prices: `49 EUR`."""
    return price_tag_text(amount, currency)
