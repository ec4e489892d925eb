"""How the portal writes numbers and words."""

from decimal import Decimal
from typing import Final

from django import template

register = template.Library()

_OUTCOME_KINDS: Final = {"accepted": "ok", "duplicate": "info", "conflict": "warn", "rejected": "danger"}
_MINUS: Final = "\N{MINUS SIGN}"


@register.filter
def quantity(value: Decimal | int | None) -> str:
    """An exact quantity with its thousands grouped: `1234567.50` is `1,234,567.5`."""
    if value is None:
        return ""
    exact = Decimal(value)
    text = f"{exact.normalize() if exact else Decimal(0):,f}"
    return text.replace("-", _MINUS)


@register.filter
def outcome_kind(outcome: str) -> str:
    """The kind of badge that an event's outcome gets."""
    return _OUTCOME_KINDS.get(outcome, "")


@register.filter
def words(code: str) -> str:
    """A code as words: `api_key.created` is `API key created`."""
    return code.replace("_", " ").replace(".", " ").capitalize().replace("Api ", "API ")
