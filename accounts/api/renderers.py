"""JSON out, exactly: decimals as plain strings, instants as RFC 3339 in UTC with `Z`, and never a float."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer

Plain = str | int | bool | None | msgspec.Raw | list["Plain"] | dict[str, "Plain"]


def plain_decimal(number: Decimal) -> str:
    """Return a finite decimal without exponent and without zeros that say nothing: `1000`, `0.5`."""
    assert number.is_finite(), "a quantity is a number"
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def plain_instant(instant: datetime) -> str:
    """Return an aware instant in UTC, as in `2026-11-21T09:30:00Z`."""
    assert instant.tzinfo is not None, "an instant is aware"
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def to_plain(value: object) -> Plain:
    """Turn a value into what JSON knows. A float, or a type that nobody chose a form for, is our mistake."""
    if value is None or (isinstance(value, bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, msgspec.Raw):
        return value  # JSON already, as it was stored
    if isinstance(value, str):
        return value.value if isinstance(value, Enum) else str(value)
    if isinstance(value, Mapping):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    return _to_plain_scalar(value)


def _to_plain_scalar(value: object) -> str:
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, datetime):
        return plain_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID | Promise):
        return str(value)
    raise TypeError(f"No form in JSON was chosen for {type(value).__name__}.")


def encode_json(value: object) -> bytes:
    """Return the bytes of `value` in JSON."""
    return msgspec.json.encode(to_plain(value))


class ExactJSONRenderer(BaseRenderer):
    """The API's only way to write JSON."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        renderer_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - DRF's signature
    ) -> bytes:
        """Encode; a response without data, such as 204, has no body."""
        return b"" if data is None else encode_json(data)
