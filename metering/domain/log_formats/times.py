"""The times that servers write into logs.

Common-log times (`17/May/2015:10:05:03.123 +0000`), ISO 8601 (`2015-05-17T10:05:03,123+0000`), and epochs in seconds,
milli-, micro- or nanoseconds, which their size tells apart. Nothing passes through a float. A time without an offset is
refused, because the hour would be a guess, unless the zone of the server is given.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Final

from metering.domain.instants import InvalidInstantError, read_instant

NO_OFFSET: Final = "The time has no offset: give the server's zone with --zone."

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CHARACTERS_MAX: Final = 40
_NUMBER: Final = re.compile(r"[0-9]{9,19}(?:\.[0-9]{1,9})?", re.ASCII)
_COMMON: Final = re.compile(
    r"(?P<day>[0-9]{2})/(?P<month>[A-Z][a-z]{2})/(?P<year>[0-9]{4}):(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?)"
    r"(?: ?(?P<offset>[+-][0-9]{2}:?[0-9]{2}|Z))?",
    re.ASCII,
)
_ISO: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?)"
    r" ?(?P<offset>[+-][0-9]{2}:?[0-9]{2}|Z)?",
    re.ASCII,
)
_MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: f"{number:02}" for number, name in enumerate(_MONTH_NAMES, start=1)}
# Digits of the whole part -> how many of them make a second. Ten digits of seconds reach the year 2286.
_PER_SECOND: Final = {9: 1, 10: 1, 12: 10**3, 13: 10**3, 15: 10**6, 16: 10**6, 18: 10**9, 19: 10**9}
_MICROSECONDS: Final = 10**6


def read_log_time(value: object, zone: tzinfo | None = None) -> datetime:
    """Read a time in any form above, in brackets or bare. Raises `InvalidInstantError`."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _of_epoch(f"{value:f}" if _is_of_size(value) else "")
    if not isinstance(value, str) or len(value) > _CHARACTERS_MAX:
        raise InvalidInstantError("Not a time.")
    return _of_text(value, zone)


def looks_like_time(text: str) -> bool:
    """Return whether a text has the form of a time; it may still name a day that does not exist."""
    return any(form.fullmatch(text) for form in (_COMMON, _ISO, _NUMBER)) and len(text) <= _CHARACTERS_MAX


@lru_cache(maxsize=1024)  # the lines of one second have the same text
def _of_text(value: str, zone: tzinfo | None) -> datetime:
    text = value.removeprefix("[").removesuffix("]")
    if _NUMBER.fullmatch(text):
        return _of_epoch(text)
    common = _COMMON.fullmatch(text)
    if common is not None and common["month"] in _MONTHS:
        date = f"{common['year']}-{_MONTHS[common['month']]}-{common['day']}"
        return _of_parts(date, common["time"], common["offset"], zone)
    iso = _ISO.fullmatch(text)
    if iso is not None:
        return _of_parts(iso["date"], iso["time"], iso["offset"], zone)
    raise InvalidInstantError("Not a time.")


def _is_of_size(number: int | Decimal) -> bool:
    """Return whether a number may be a time: an exponent of a million must not be written out."""
    return 0 < number < 10**19 if not isinstance(number, Decimal) or number.is_finite() else False


def _of_epoch(text: str) -> datetime:
    whole, _, fraction = text.partition(".")
    per_second = _PER_SECOND.get(len(whole))
    if per_second is None:
        raise InvalidInstantError("Not an epoch in seconds, milli-, micro- or nanoseconds.")
    parts = int(whole + fraction[:9].ljust(9, "0"))
    return _EPOCH + timedelta(microseconds=parts * _MICROSECONDS // (per_second * 10**9))


def _of_parts(date: str, time: str, offset: str | None, zone: tzinfo | None) -> datetime:
    """Return the instant of a date, a time and an offset, or else of a zone. An hour that occurs twice is its first."""
    time = time.replace(",", ".")
    if offset is not None:
        shift = offset if offset == "Z" or ":" in offset else f"{offset[:3]}:{offset[3:]}"
        return read_instant(f"{date}T{time}{shift}")
    if zone is None:
        raise InvalidInstantError(NO_OFFSET)
    local = read_instant(f"{date}T{time}Z").replace(tzinfo=zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise InvalidInstantError("The server's zone has no such time: its clocks were put forward.")
    return instant
