"""JSON read exactly: numbers never pass through a float.

Whatever the bytes, only `MalformedBodyError` is raised. If an object names a member twice, the last one
counts, as in PostgreSQL's jsonb. A lone surrogate or a byte that is not UTF-8 makes a body malformed.
"""

from codecs import BOM_UTF8
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import msgspec

from accounts.errors import MalformedBodyError

Decoded = TypeVar("Decoded")


def exact_number(text: str) -> Decimal:
    """Return a JSON number exactly, or NaN if its exponent is too large for a decimal."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


VALUE: Final = msgspec.json.Decoder(Any, float_hook=exact_number)
MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object with exact numbers, for calls other than `POST /events`.

    Raises `MalformedBodyError`, also for a number that is too long.
    """
    require_utf_8(body)
    try:
        value = decode(VALUE, body)
    except msgspec.ValidationError as error:
        raise MalformedBodyError("A number is too long.") from error
    if not isinstance(value, dict):
        raise MalformedBodyError("The body is not a JSON object.")
    return value


def require_utf_8(body: bytes) -> None:
    """Raise `MalformedBodyError` unless the body is UTF-8, without a byte order mark."""
    if body.startswith(BOM_UTF8):
        raise MalformedBodyError("The body begins with a byte order mark. Send UTF-8 without one.")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise MalformedBodyError("The body is not UTF-8.") from error


def decode(decoder: msgspec.json.Decoder[Decoded], text: bytes | msgspec.Raw) -> Decoded:
    """Decode JSON. Raises ValidationError for another shape, MalformedBodyError if it is not JSON."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedBodyError(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise MalformedBodyError("The body is nested too deeply.") from error
