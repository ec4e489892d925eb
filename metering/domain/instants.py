"""Parsing instants: RFC 3339, epoch milliseconds, and the time of access logs.

Every returned instant is aware and in UTC. An instant without an offset is refused, because it
is ambiguous. Fractions below a microsecond are cut off.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MILLISECONDS_MAX: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_CHARACTERS_MAX: Final = 64

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ](?:[01]\d|2[0-3]):[0-5]\d:(?P<second>[0-5]\d|60)(?:\.\d+)?"
    r"(?P<offset>Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)
_COMMON_LOG: Final = re.compile(
    r"\[?(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4})"
    r":(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r" (?P<sign>[+-])(?P<offset_hours>\d\d)(?P<offset_minutes>[0-5]\d)\]?",
    re.ASCII,
)
_MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}


class InvalidInstantError(ValueError):
    """A value is not an instant; the message is a sentence that says why."""


def read_instant(value: object) -> datetime:
    """Read an RFC 3339 text or an integer of epoch milliseconds; return an aware datetime unchanged.

    Raises `InvalidInstantError`.
    """
    if isinstance(value, str):
        return _read_rfc_3339(value)
    if isinstance(value, datetime):
        assert value.tzinfo is not None, "an instant is aware"
        return value.astimezone(UTC)
    if isinstance(value, int) and not isinstance(value, bool):
        return _read_milliseconds(value)
    raise InvalidInstantError("A time is an RFC 3339 text or an integer of epoch milliseconds.")


def read_common_log_time(text: str) -> datetime:
    """Read `17/May/2015:10:05:03 +0000`, in brackets or bare. Raises `InvalidInstantError`."""
    shape = _COMMON_LOG.fullmatch(text) if len(text) <= _CHARACTERS_MAX else None
    if shape is None or shape["month"] not in _MONTHS:
        raise InvalidInstantError("Not a time such as 17/May/2015:10:05:03 +0000.")
    offset = timedelta(hours=int(shape["offset_hours"]), minutes=int(shape["offset_minutes"]))
    leap = shape["second"] == "60"
    try:
        instant = datetime(
            int(shape["year"]),
            _MONTHS[shape["month"]],
            int(shape["day"]),
            int(shape["hour"]),
            int(shape["minute"]),
            59 if leap else int(shape["second"]),
            tzinfo=timezone(offset if shape["sign"] == "+" else -offset),
        ).astimezone(UTC)
        return instant + timedelta(seconds=leap)
    except (ValueError, OverflowError) as error:
        raise InvalidInstantError("There is no such day or time.") from error


def _read_rfc_3339(text: str) -> datetime:
    if len(text) > _CHARACTERS_MAX:
        raise InvalidInstantError("The time is too long.")
    upper = text.upper()
    shape = _RFC_3339.fullmatch(upper)
    if shape is None:
        milliseconds = " Epoch milliseconds are an integer, without quotes." if text.isdecimal() else ""
        raise InvalidInstantError(f"Not a time such as 2026-11-21T09:30:00Z.{milliseconds}")
    if shape["offset"] is None:
        raise InvalidInstantError("A time needs an offset: Z, or one such as +01:00.")
    leap = shape["second"] == "60"
    if leap:  # A leap second is the first instant of the next minute, as in PostgreSQL.
        start, end = shape.span("second")
        upper = f"{upper[:start]}59{upper[end:]}"
    try:
        instant = datetime.fromisoformat(upper).astimezone(UTC)
        return instant + timedelta(seconds=1) if leap else instant
    except (ValueError, OverflowError) as error:
        raise InvalidInstantError("There is no such day or time.") from error


def _read_milliseconds(milliseconds: int) -> datetime:
    if not 0 <= milliseconds <= _MILLISECONDS_MAX:
        raise InvalidInstantError("The time is not within the years 1970 to 9999.")
    return _EPOCH + milliseconds * _MILLISECOND
