"""Exact JSON input: decimals never pass through a float, and reading any body costs little.

The call limits the body's size (`ApiView.body_bytes_max`), which is counted while it is unpacked. The number of values
is counted before any object is created from them.

`ExactJSONParser` returns `request.data`; `RawJSONParser` returns the bytes, for a reader with its own decoder.
Both keep the unpacked bytes on the request, from which `body_bytes` returns them.
"""

import zlib
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from typing import IO, Any, Final, NamedTuple

import msgspec
from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from accounts.api.problems import BodyTooLargeError, LengthRequiredError, MediaTypeError, escape_pointer
from accounts.domain.json_bounds import holds_more_values
from accounts.errors import FieldError, MalformedBodyError

BATCH_BYTES_MAX: Final = 5 * 1024 * 1024
BODY_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 32
VALUES_MAX: Final = 10_000
GZIP_MEMBERS_MAX: Final = 256
_GZIP_STEP_BYTES: Final = 16 * 1024
_NUMBER_CHARACTERS_MAX: Final = 64
_EXPONENT_MAX: Final = 64
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


def exact_number(text: str) -> Decimal:
    """Parse a JSON number with a point or an exponent. A number of absurd size is refused: printing it costs memory."""
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
    """Passes on the unpacked bytes."""

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

    Raises 400 if it is incomplete or does not match its encoding, 411, 413, 415.
    """
    inner, bytes_max = django_request(request), bytes_max_of(request)
    packed = received_bytes(inner, bytes_max)
    _check_length(inner, packed)
    encoding = inner.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in ("", "identity"):
        body = packed
    elif encoding in ("gzip", "x-gzip"):
        body = unpack_gzip(packed, bytes_max)
    else:
        raise MediaTypeError("Content-Encoding is gzip, or none.")
    inner.unpacked_body = body  # type: ignore[attr-defined]
    return body


def bytes_max_of(request: Request) -> int:
    """Return the largest body the call takes: its view's limit, or 64 KiB for an adopter's own view."""
    view = (request.parser_context or {}).get("view")
    bytes_max: int = getattr(view, "body_bytes_max", BODY_BYTES_MAX)
    return bytes_max


def received_bytes(request: HttpRequest, bytes_max: int) -> bytes:
    """Read a body as it arrives, since Django limits it like a form. Raises `BodyTooLargeError`."""
    received: bytes | None = getattr(request, "_body", None)
    if received is None:
        received = request.read(bytes_max + 1)
        request._body = received  # noqa: SLF001 - the place where Django looks for it
    if len(received) > bytes_max:
        raise body_too_large(bytes_max)
    return received


def body_too_large(bytes_max: int) -> BodyTooLargeError:
    """Return the error for a body that is larger than the call takes."""
    return BodyTooLargeError(f"The body of this call has at most {bytes_max} bytes, unpacked.")


def give_length(request: HttpRequest, bytes_max: int) -> None:
    """Read a body sent in chunks, which Django would treat as empty.

    Raises 411 if the server cannot find its end, and 413.
    """
    if "CONTENT_LENGTH" in request.META or "chunked" not in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        return
    if not request.META.get("wsgi.input_terminated"):
        raise LengthRequiredError("This server reads no chunked bodies: send a Content-Length.")
    body = request.META["wsgi.input"].read(bytes_max + 1)
    if len(body) > bytes_max:
        raise body_too_large(bytes_max)
    request.META["CONTENT_LENGTH"] = str(len(body))
    request._stream = BytesIO(body)  # noqa: SLF001 - the field where Django keeps what it reads from


def _check_length(request: HttpRequest, packed: bytes) -> None:
    """Raise if the body is shorter than announced: it was cut off, even if it is well-formed."""
    announced = request.META.get("CONTENT_LENGTH") or ""
    if announced.isdecimal() and int(announced) != len(packed):
        raise MalformedBodyError("The body is shorter than its Content-Length.")


def unpack_gzip(packed: bytes, bytes_max: int) -> bytes:
    """Unpack up to 256 gzip members, and stop if the result passes the limit, so that a bomb stays small.

    What follows a member is copied to begin the next, so the input is fed in steps: the work is linear in its length.
    """
    parts: list[bytes] = []
    members = position = 0
    room = bytes_max + 1
    unpacker: Any = None
    while position < len(packed):
        if unpacker is None:
            members += 1
            unpacker = _next_member(members)
        step = packed[position : position + _GZIP_STEP_BYTES]
        try:
            part = unpacker.decompress(step, room)
        except zlib.error as error:
            raise MalformedBodyError("The body is not gzip, though its Content-Encoding says so.") from error
        parts.append(part)
        room -= len(part)
        if room <= 0:
            raise body_too_large(bytes_max)
        position += len(step) - len(unpacker.unused_data)
        if unpacker.eof:
            unpacker = None
    if unpacker is not None:
        raise MalformedBodyError("The gzip body is cut off.")
    return b"".join(parts)


def _next_member(number: int) -> Any:
    if number > GZIP_MEMBERS_MAX:
        raise MalformedBodyError(f"A gzip body has at most {GZIP_MEMBERS_MAX} members.")
    return zlib.decompressobj(wbits=_GZIP_WINDOW)


def decode_json(body: bytes) -> Any:
    """Decode JSON. Refuse a body that is not JSON, has too many values, nests deeper than 32, or contains a NUL.

    Raises `MalformedBodyError`.
    """
    if holds_more_values(body, VALUES_MAX):
        raise MalformedBodyError(f"The body of this call holds at most {VALUES_MAX} values.")
    try:
        value = _DECODER.decode(body)
    except RecursionError as error:
        raise MalformedBodyError(f"JSON may nest {DEPTH_MAX} deep.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedBodyError(f"The body is not JSON: {error}.") from error
    _check_values(value)
    return value


class _Place(NamedTuple):
    """The position of a value in a body."""

    outer: "_Place | None"
    step: str | int
    depth: int


def _check_values(value: object) -> None:
    """Walk without recursion, so that depth costs no stack. A pointer is built only if it is needed."""
    waiting: list[tuple[object, _Place | None]] = [(value, None)]
    while waiting:
        item, place = waiting.pop()
        if not isinstance(item, dict | list):
            if isinstance(item, str):
                _check_text(item, place)
            continue
        depth = 1 if place is None else place.depth + 1
        if depth > DEPTH_MAX:
            raise MalformedBodyError(f"JSON may nest {DEPTH_MAX} deep.")
        if isinstance(item, dict):
            for name in item:
                _check_text(name, place)
        steps = item.items() if isinstance(item, dict) else enumerate(item)
        waiting.extend((inner, _Place(place, step, depth)) for step, inner in steps)


def _check_text(text: str, place: _Place | None) -> None:
    if "\x00" in text:
        detail = "Text may not contain the NUL character."
        raise MalformedBodyError(detail, field_errors=(FieldError(_pointer_to(place), "nul_character", detail),))


def _pointer_to(place: _Place | None) -> str:
    steps: list[str] = []
    while place is not None:
        steps.append("/" + escape_pointer(str(place.step)))
        place = place.outer
    return "".join(reversed(steps))


def body_object(request: Request) -> dict[str, Any]:
    """Return the body if it is an object. An absent body is an empty one. Raises 400."""
    data = request.data
    if not isinstance(data, dict):
        raise MalformedBodyError("The body is a JSON object.")
    return data
