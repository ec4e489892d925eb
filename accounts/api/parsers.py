"""JSON in, exactly: decimals never pass through a float, and sizes are counted while a body is unpacked.

`ExactJSONParser` gives `request.data`; `RawJSONParser` gives the bytes, for a reader with a decoder of its own.
Both leave the unpacked bytes on the request, where `body_bytes` finds them.
"""

import zlib
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from typing import IO, Any, Final

import msgspec
from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from accounts.api.problems import BodyTooLargeError, LengthRequiredError, MediaTypeError, escape_pointer
from accounts.errors import FieldError, MalformedBodyError

BODY_BYTES_MAX: Final = 5 * 1024 * 1024
DEPTH_MAX: Final = 32
_NUMBER_CHARACTERS_MAX: Final = 64
_EXPONENT_MAX: Final = 64
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


def exact_number(text: str) -> Decimal:
    """Read a JSON number with a point or an exponent; one of absurd size would cost memory to print."""
    if len(text) > _NUMBER_CHARACTERS_MAX:
        raise ValueError(f"a number has at most {_NUMBER_CHARACTERS_MAX} characters")
    number = Decimal(text)
    if number and abs(number.adjusted()) > _EXPONENT_MAX:
        raise ValueError(f"a number's exponent is at most {_EXPONENT_MAX}")
    return number


_DECODER: Final = msgspec.json.Decoder(float_hook=exact_number)


class ExactJSONParser(BaseParser):
    """Parses JSON of bounded size and depth."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],  # noqa: ARG002 - DRF's signature
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the decoded body."""
        assert parser_context is not None, "DRF gives the context"
        return decode_json(read_body(parser_context["request"]))


class RawJSONParser(BaseParser):
    """Hands on the unpacked bytes."""

    media_type = "application/json"

    def parse(  # type: ignore[override] # DRF's stubs say a mapping, its code hands on anything
        self,
        stream: IO[bytes],  # noqa: ARG002 - DRF's signature
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the unpacked body."""
        assert parser_context is not None, "DRF gives the context"
        return read_body(parser_context["request"])


def body_bytes(request: Request) -> bytes:
    """Return the unpacked bytes of a body that was parsed; a request without one has none."""
    return getattr(django_request(request), "unpacked_body", b"")


def django_request(request: Request) -> HttpRequest:
    """Return the request that DRF's wraps."""
    inner: HttpRequest = request._request  # noqa: SLF001 - DRF's documented way to it
    return inner


def read_body(request: Request) -> bytes:
    """Read the body once, unpack it, and keep it on the request.

    Raises 400 where it did not arrive whole or is not what its encoding says, 411, 413, 415.
    """
    inner = django_request(request)
    packed = inner.body  # bounded by DATA_UPLOAD_MAX_MEMORY_SIZE
    _check_length(inner, packed)
    encoding = inner.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in ("", "identity"):
        body = packed
    elif encoding in ("gzip", "x-gzip"):
        body = unpack_gzip(packed)
    else:
        raise MediaTypeError("Content-Encoding is gzip, or none.")
    if len(body) > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"A body has at most {BODY_BYTES_MAX} bytes.")
    inner.unpacked_body = body  # type: ignore[attr-defined]
    return body


def give_length(request: HttpRequest) -> None:
    """Take in a body sent in chunks, which Django would take for none.

    Raises 411 where the server cannot tell its end.
    """
    if "CONTENT_LENGTH" in request.META or "chunked" not in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        return
    if not request.META.get("wsgi.input_terminated"):
        raise LengthRequiredError("This server reads no chunked bodies: send a Content-Length.")
    body = request.META["wsgi.input"].read(BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"A body has at most {BODY_BYTES_MAX} bytes.")
    request.META["CONTENT_LENGTH"] = str(len(body))
    request._stream = BytesIO(body)  # noqa: SLF001 - where Django keeps what it reads from


def _check_length(request: HttpRequest, packed: bytes) -> None:
    """A body that is shorter than announced was cut off, and may be well-formed by accident."""
    announced = request.META.get("CONTENT_LENGTH") or ""
    if announced.isdecimal() and int(announced) != len(packed):
        raise MalformedBodyError("The body is shorter than its Content-Length.")


def unpack_gzip(packed: bytes) -> bytes:
    """Unpack one or more gzip members, and stop where the result passes the limit: a bomb stays small."""
    parts: list[bytes] = []
    room = BODY_BYTES_MAX + 1
    rest = packed
    while rest:
        unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW)
        try:
            part = unpacker.decompress(rest, room)
        except zlib.error as error:
            raise MalformedBodyError("The body is not gzip, though its Content-Encoding says so.") from error
        parts.append(part)
        room -= len(part)
        if room <= 0:
            raise BodyTooLargeError(f"A body has at most {BODY_BYTES_MAX} bytes, unpacked.")
        if not unpacker.eof:
            raise MalformedBodyError("The gzip body is cut off.")
        rest = unpacker.unused_data
    return b"".join(parts)


def decode_json(body: bytes) -> Any:
    """Decode; refuse what is no JSON, nests deeper than 32, or holds a character that no store keeps."""
    try:
        value = _DECODER.decode(body)
    except RecursionError as error:
        raise MalformedBodyError(f"JSON may nest {DEPTH_MAX} deep.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedBodyError(f"The body is not JSON: {error}.") from error
    _check_values(value)
    return value


def _check_values(value: object) -> None:
    """Walk without recursion, so that depth costs no stack."""
    waiting: list[tuple[object, str, int]] = [(value, "", 0)]
    while waiting:
        item, pointer, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise MalformedBodyError(f"JSON may nest {DEPTH_MAX} deep.")
        if isinstance(item, dict):
            for name, inner in item.items():
                _check_text(name, pointer)
                waiting.append((inner, f"{pointer}/{escape_pointer(name)}", depth + 1))
        elif isinstance(item, list):
            waiting.extend((inner, f"{pointer}/{position}", depth + 1) for position, inner in enumerate(item))
        elif isinstance(item, str):
            _check_text(item, pointer)


def _check_text(text: str, pointer: str) -> None:
    if "\x00" in text:
        refusal = FieldError(pointer, "nul_character", "A text may not contain the NUL character.")
        raise MalformedBodyError(refusal.detail, field_errors=(refusal,))


def body_object(request: Request) -> dict[str, Any]:
    """Return the body where it is an object; an absent body is an empty one. Raises 400."""
    data = request.data
    if not isinstance(data, dict):
        raise MalformedBodyError("The body is a JSON object.")
    return data
