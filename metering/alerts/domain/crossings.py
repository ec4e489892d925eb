"""On which day usage will reach a limit, with an interval of that day. Pure.

docs/algorithms/forecast.md has the rules (C1 to C5).
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from metering.alerts.domain.alerts import CrossingDays
from metering.domain.forecasting import UsageAhead


def predicted_crossing(
    quantity: Decimal, *, limit: Decimal, ahead: UsageAhead, days: Sequence[date]
) -> CrossingDays | None:
    """Return when usage, of which `quantity` is counted, reaches `limit`; None if that is not likely.

    `days` are today and each later day of the period, as `ahead` has them. It is likely if the low end of the interval
    reaches the limit in the period, and not today already.
    """
    if ahead.bounds is None or quantity >= limit:
        return None
    low, high = ahead.bounds
    latest = _day_reached(quantity, limit, ahead.days, days, low)
    expected = _day_reached(quantity, limit, ahead.days, days, Decimal(1))
    earliest = _day_reached(quantity, limit, ahead.days, days, high)
    if latest is None or expected is None or earliest is None or expected == days[0]:
        return None
    return CrossingDays(expected, earliest, latest)


def crossing_in_words(crossing: CrossingDays) -> str:
    """Return `on 22 November, between 20 and 25 November`, or only the day if the interval is that day."""
    on = f"on {_day(crossing.on)}"
    if crossing.low == crossing.high:
        return on
    same_month = (crossing.low.year, crossing.low.month) == (crossing.high.year, crossing.high.month)
    first = str(crossing.low.day) if same_month else _day(crossing.low)
    return f"{on}, between {first} and {_day(crossing.high)}"


def _day_reached(
    quantity: Decimal, limit: Decimal, ahead: Sequence[Decimal], days: Sequence[date], factor: Decimal
) -> date | None:
    reached = quantity
    for expected, day in zip(ahead, days, strict=True):
        reached += expected * factor
        if reached >= limit:
            return day
    return None


def _day(day: date) -> str:
    return f"{day.day} {day:%B}"
