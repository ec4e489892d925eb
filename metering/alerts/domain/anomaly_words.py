"""An anomaly in words, for mails and pages. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from accounts.domain.numbers import number_text, unit_name
from metering.alerts.domain.anomalies import Pattern

TITLES: Final = {
    Pattern.SPIKE: "Much more usage than usual",
    Pattern.RISE: "A day with more usage than usual",
    Pattern.DROP: "A day with less usage than usual",
    Pattern.SILENCE: "No usage any more",
}


def window_in_words(pattern: Pattern, start: datetime, zone: str, *, is_day: bool) -> str:
    """Return `the hour from 14:00 on 29 November`, `29 November`, or `since 14:00 on 29 November`."""
    local = start.astimezone(ZoneInfo(zone))
    day = f"{local.day} {local:%B}"
    if pattern is Pattern.SILENCE:
        return f"since {local:%H:%M} on {day}"
    return f"on {day}" if is_day else f"in the hour from {local:%H:%M} on {day}"


def anomaly_in_words(
    pattern: Pattern, *, meter_name: str, unit: str, quantity: Decimal, expected: Decimal, window: str, key: str = ""
) -> str:
    """Return a sentence such as `API requests: 312 in the hour from 14:00 on 29 November, 40 expected`."""
    name = f"{meter_name} by the key {key}" if key else meter_name
    if pattern is Pattern.SILENCE:
        return f"{name}: nothing {window}. At these hours {_amount(expected, unit)} are usual."
    return f"{name}: {_amount(quantity, unit)} {window}, {number_text(expected)} expected."


def _amount(quantity: Decimal, unit: str) -> str:
    return f"{number_text(quantity)} {unit_name(unit, quantity)}".rstrip()
