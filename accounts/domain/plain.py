"""Values in JSON's types: decimals as plain strings, instants as RFC 3339 in UTC, never a float."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec

_SORTED: Final = msgspec.json.Encoder(order="deterministic")
_DELETE: Final = b"\x7f"  # which Python escapes, and msgspec does not

Plain = str | int | bool | None | msgspec.Raw | list["Plain"] | dict[str, "Plain"]
_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None), msgspec.Raw})  # the last is JSON already


@lru_cache(maxsize=16384)
def plain_decimal(number: Decimal) -> str:
    """Return a finite decimal without exponent and without trailing zeros: `1000`, `0.5`."""
    assert number.is_finite(), "a quantity is a number"
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@lru_cache(maxsize=4096)
def plain_instant(instant: datetime) -> str:
    """Return an aware instant in UTC, as in `2026-11-21T09:30:00Z`."""
    assert instant.tzinfo is not None, "an instant is aware"
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


_WRITTEN: Final[Mapping[type, Callable[[Any], str]]] = {
    Decimal: plain_decimal, datetime: plain_instant, date: date.isoformat, UUID: str,
}  # fmt: skip


def canonical_json(value: object) -> bytes:
    """Return the one JSON text of a value in JSON's types, in ASCII and with sorted names. Digests are taken from it.

    It is that of Python's encoder, in a tenth of the time if no character has to be escaped.
    """
    encoded = _SORTED.encode(value)
    if encoded.isascii() and _DELETE not in encoded:
        return encoded
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def to_plain(value: object) -> Plain:
    """Convert a value to JSON's types. A float, or a type without a chosen form, is an error of our own."""
    kind = type(value)
    if kind in _AS_THEY_ARE or (isinstance(value, int) and not isinstance(value, Enum)):
        return value  # type: ignore[return-value]  # as the condition says
    if kind in _WRITTEN:
        return _WRITTEN[kind](value)
    if isinstance(value, str):
        return str(value.value) if isinstance(value, Enum) else str(value)
    if isinstance(value, Mapping):
        return {str(name): item if type(item) in _AS_THEY_ARE else to_plain(item) for name, item in value.items()}
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
