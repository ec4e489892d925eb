"""The windows over which usage is reported: hours of UTC, days and months of the tenant's time zone.

Windows tile time, so each event falls into exactly one. A window is named by its start, even if a
query begins in the middle of it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from metering.domain.periods import Span, YearMonth, days_between, local_day, month_span, start_of_day, start_of_hour

_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)
_SPAN_OF_WINDOW = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=28)}


class Window(StrEnum):
    """How long each reported quantity lasts."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


def windows_at_most(window: Window, span: Span) -> int:
    """Return an upper bound of the number of windows in `span`, without computing them."""
    return (span.end - span.start) // _SPAN_OF_WINDOW[window] + 2


def window_starts(window: Window, span: Span, zone: str) -> Sequence[datetime]:
    """Return the start of each window that has an instant in `span`, in order; the first may be before the span."""
    if span.start >= span.end:
        return []
    if window is Window.HOUR:
        first = start_of_hour(span.start)
        return [first + number * _HOUR for number in range(-((first - span.end) // _HOUR))]
    if window is Window.DAY:
        return [start_of_day(day, zone) for day in days_between(span.start, span.end, zone)]
    first_month = YearMonth.of(local_day(span.start, zone))
    last_month = YearMonth.of(local_day(span.end - _MICROSECOND, zone))
    months = (last_month.year - first_month.year) * 12 + last_month.month - first_month.month
    return [month_span(first_month.plus(number), zone).start for number in range(months + 1)]


def is_start_of_day(instant: datetime, zone: str) -> bool:
    """Return whether a day of the zone begins at `instant`."""
    return instant == start_of_day(local_day(instant, zone), zone)


def is_start_of_hour(instant: datetime) -> bool:
    """Return whether an hour of UTC begins at `instant`."""
    return instant == start_of_hour(instant)
