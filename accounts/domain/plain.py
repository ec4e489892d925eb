"""Values in JSON's types: decimals as plain strings, instants as RFC 3339 in UTC, never a float."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import msgspec

Plain = str | int | bool | None | msgspec.Raw | list["Plain"] | dict[str, "Plain"]


def plain_decimal(number: Decimal) -> str:
    """Return a finite decimal without exponent and without trailing zeros: `1000`, `0.5`."""
    assert number.is_finite(), "a quantity is a number"
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def plain_instant(instant: datetime) -> str:
    """Return an aware instant in UTC, as in `2026-11-21T09:30:00Z`."""
    assert instant.tzinfo is not None, "an instant is aware"
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def to_plain(value: object) -> Plain:
    """Convert a value to JSON's types. A float, or a type without a chosen form, is an error of our own."""
    if value is None or (isinstance(value, bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, msgspec.Raw):
        return value  # JSON already, as it was stored or sent
    if isinstance(value, str):
        return str(value.value) if isinstance(value, Enum) else str(value)
    if isinstance(value, Mapping):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return _to_plain_scalar(value)


def _to_plain_scalar(value: object) -> str:
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, datetime):
        return plain_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"No form in JSON was chosen for {type(value).__name__}.")
