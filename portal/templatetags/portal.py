"""The format of numbers and words in the portal."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html

from accounts.domain.numbers import BYTES, counted, number_text, short_bytes_text, short_number_text, unit_name
from metering.domain.periods import Span, last_local_day, local_day

register = template.Library()

_OUTCOME_KINDS: Final = {"accepted": "ok", "duplicate": "info", "conflict": "warn", "rejected": "danger"}
_DASH: Final = "\N{EN DASH}"


@register.filter
def quantity(value: Decimal | int | None) -> str:
    """Return an exact quantity with its thousands grouped: `1234567.50` is `1,234,567.5`."""
    return "" if value is None else number_text(value)


@register.filter
def used(value: Decimal | int | None) -> str:
    """Return a meter's quantity as people read it: `29.166666667` is `29.167`. An exact one is `quantity`."""
    return "" if value is None else short_number_text(value)


@register.simple_tag
def measured(value: Decimal | int | None, unit: str, *, with_unit: bool = True) -> str:
    """Return a quantity beside its unit; many bytes in short, as 39.1 MB, with the exact number on hover.

    Without `with_unit` only what is in short has one, as in a column whose head says it.
    """
    if value is None:
        return ""
    short = short_bytes_text(value) if unit == BYTES else ""
    if short:
        return format_html('<abbr title="{}">{}</abbr>', counted(value, unit), short)
    return f"{short_number_text(value)} {unit_name(unit, value)}".strip() if with_unit else short_number_text(value)


@register.filter
def unit_of(unit: str, value: Decimal | int | None) -> str:
    """Return the name of a unit beside a quantity: 1 `request`, 2 `requests`."""
    return unit_name(unit, value or 0)


@register.filter
def outcome_kind(outcome: str) -> str:
    """Return the kind of badge for an event's outcome."""
    return _OUTCOME_KINDS.get(outcome, "")


@register.filter
def words(code: str) -> str:
    """Return a code as words: `api_key.created` is `API key created`."""
    return code.replace("_", " ").replace(".", " ").capitalize().replace("Api ", "API ")


@register.filter
def days_until(start: datetime, end: datetime) -> str:
    """Return a half-open span as days of the page's time zone, such as 1 to 31 March 2026."""
    zone = str(timezone.get_current_timezone())
    first, last = local_day(start, zone), last_local_day(Span(start, end), zone)
    until = date_format(last, "j F Y")
    if first == last:
        return until
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}{_DASH}{until}"
    since = date_format(first, "j F" if first.year == last.year else "j F Y")
    return f"{since} {_DASH} {until}"
