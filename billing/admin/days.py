"""Periods for staff as their customer sees them: local days, both inclusive, with the zone they are counted in."""

from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from metering.domain.periods import Span, last_local_day, local_day


def days_text(start: datetime, end: datetime, zone: str) -> str:
    """Return the first and the last day, as in `2026-03-01 to 2026-03-31`; one day alone."""
    first, last = local_day(start, zone), last_local_day(Span(start, end), zone)
    return f"{first}" if first == last else f"{first} to {last}"


def shown_days(start: datetime, end: datetime, zone: str) -> SafeString:
    """Return the days with their zone; the instants in UTC are the element's title."""
    return format_html(
        '<span title="{} to {} UTC"><span class="staff-nowrap">{}</span> <span class="staff-faint">{}</span></span>',
        f"{start:%Y-%m-%d %H:%M}",
        f"{end:%Y-%m-%d %H:%M}",
        days_text(start, end, zone),
        zone,
    )


def day_text(instant: datetime, zone: str) -> str:
    """Return the local day of an instant with its zone, as in `2026-04-01 (Europe/Brussels)`."""
    return f"{local_day(instant, zone)} ({zone})"
