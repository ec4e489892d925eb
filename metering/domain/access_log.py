"""Access logs: what a request is, whether it comes from a line of a file or from a record of `POST /access-logs`.

Query strings and fragments are dropped at once: they contain secrets, and each of them would
be an endpoint of its own. Each value is what its field says (an address, a method, a status, a number of bytes, a
time), or the record is refused; a request line that is not HTTP was a request too, without method and path.
`metering.domain.log_formats` reads the lines.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

import msgspec

from metering.domain.canonical import PropertyValue
from metering.domain.http_requests import HTTP_METHOD, RESOURCE_PATH, RESPONSE_LENGTH, STATUS
from metering.domain.instants import InvalidInstantError, read_common_log_time, read_instant

LINE_BYTES_MAX: Final = 64 * 1024
RESPONSE_LENGTH_MAX: Final = 2**63 - 1
# What each text may take in JSON, escapes included: together far below the 4 KiB of properties.
TEXT_BYTES_MAX: Final = {"ip": 128, "user": 256, "http_method": 64, "resource_path": 2048, "protocol": 64}

_ABSENT: Final = ("", "-")
_ADDRESS_CHARACTERS_MAX: Final = 64
# A method as any HTTP client may write it, and as it begins a line that is taken for an HTTP request.
_METHOD: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}", re.ASCII)
_METHOD_OF_REQUEST: Final = re.compile(r"[A-Z][A-Z-]{1,29}", re.ASCII)
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", re.ASCII)
_STATUS: Final = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_MILLISECONDS: Final = re.compile(r"[0-9]{12,14}", re.ASCII)
_JSON: Final = msgspec.json.Encoder()


class AccessRecord(NamedTuple):
    """One request. None means that the log does not say; no length means no body."""

    request_id: str | None
    ip: str | None
    user: str | None
    request_time: datetime | None
    http_method: str | None
    resource_path: str | None
    status: int | None
    protocol: str | None
    response_length: int


class BadLine(NamedTuple):
    """A line that is not a record, and the reason as a sentence: the format is another one, or a value is wrong."""

    reason: str
    is_other_format: bool = False


class InvalidRecordError(ValueError):
    """A value of a record cannot be read. `field` names it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


def read_record_time(value: object) -> datetime:
    """Read the time of a record: RFC 3339, epoch milliseconds, or that of common logs. Raises `InvalidInstantError`."""
    if isinstance(value, str) and _MILLISECONDS.fullmatch(value):
        return read_instant(int(value))
    if isinstance(value, str) and "/" in value:
        return read_common_log_time(value)
    return read_instant(value)


def record_of(members: Mapping[str, Any], read_time: Callable[[object], datetime] = read_record_time) -> AccessRecord:
    """Read the values of a record, which may all be texts, as gateways write them.

    Raises `InvalidRecordError`. Names other than those of `AccessRecord` are ignored.
    """
    path = _text("resource_path", members.get("resource_path"))
    return AccessRecord(
        request_id=_text("request_id", members.get("request_id")),
        ip=_address(members.get("ip")),
        user=_text("user", members.get("user")),
        request_time=_time(members.get("request_time"), read_time),
        http_method=_method(members.get("http_method")),
        resource_path=None if path is None else _without_query(path),
        status=_status(members.get("status")),
        protocol=_text("protocol", members.get("protocol")),
        response_length=_length(members.get("response_length")),
    )


def record_to_event_properties(record: AccessRecord) -> dict[str, PropertyValue]:
    """Return the properties of a record's event. Absent values are left out; texts that are too long are cut."""
    texts = {
        "ip": record.ip,
        "user": record.user,
        HTTP_METHOD: record.http_method,
        RESOURCE_PATH: record.resource_path,
        "protocol": record.protocol,
    }
    properties: dict[str, PropertyValue] = {
        name: _cut(text, TEXT_BYTES_MAX[name]) for name, text in texts.items() if text is not None
    }
    if record.status is not None:
        properties[STATUS] = record.status
    return properties | {RESPONSE_LENGTH: record.response_length}


def line_digest(line: bytes) -> bytes:
    """Return the 16 bytes by which lines are compared, whatever their line ending."""
    return hashlib.sha256(line.rstrip(b"\r\n")).digest()[:16]


def line_identity(line: bytes, occurrence: int) -> str:
    """Return the event id of the `occurrence`-th line, counted from 1, that is equal to `line` in its file.

    It contains neither the file nor a position in it, so a copy, a longer version or another
    rotation of the same log gives the same ids.
    """
    assert occurrence >= 1, "the first line that reads like this is number 1"
    return f"line-{line_digest(line).hex()}-{occurrence}"


def parts_of_request(request: str) -> tuple[str | None, str | None, str | None]:
    """Return method, target and protocol of a request line; three times None if it is not one."""
    http_method, _, rest = request.partition(" ")
    if not rest or not _METHOD_OF_REQUEST.fullmatch(http_method):
        return None, None, None
    target, _, protocol = rest.rpartition(" ")
    if target and protocol.startswith("HTTP/"):
        return http_method, target, protocol
    return http_method, rest, None


def is_absent(value: object) -> bool:
    """Return whether a value of a log says that there is none: null, nothing, or a hyphen."""
    return value is None or value in _ABSENT


@lru_cache(maxsize=4096)
def is_address(text: str) -> bool:
    """Return whether a text is an address of IPv4 or IPv6."""
    if len(text) > _ADDRESS_CHARACTERS_MAX:
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _without_query(target: str) -> str:
    """Return the path of a request target: no origin, no query, no fragment."""
    path = target.partition("#")[0].partition("?")[0]
    origin = _ORIGIN.match(path)
    return (path if origin is None else path[origin.end() :]) or "/"


def _text(field: str, value: object) -> str | None:
    if is_absent(value):
        return None
    text = _text_or_whole_number(value)
    if text is None:
        raise InvalidRecordError(field, f"{field} is a string.")
    # An id is kept as it is, and refused later if it contains a NUL; all else is made storable.
    return text if field == "request_id" else text.replace("\0", "\\x00")


def _address(value: object) -> str | None:
    text = _text("ip", value)
    if text is not None and not is_address(text):
        raise InvalidRecordError("ip", "The client is not an IP address.")
    return text


def _method(value: object) -> str | None:
    text = _text("http_method", value)
    if text is not None and not _METHOD.fullmatch(text):
        raise InvalidRecordError("http_method", "The method is not one word.")
    return text


def _time(value: object, read_time: Callable[[object], datetime]) -> datetime | None:
    if is_absent(value):
        return None
    try:
        return read_time(value)
    except InvalidInstantError as error:
        raise InvalidRecordError("request_time", str(error)) from error


def _status(value: object) -> int | None:
    if is_absent(value):
        return None
    text = _text_or_whole_number(value)
    if text is None or not _STATUS.fullmatch(text):
        raise InvalidRecordError("status", "A status is a number from 100 to 599.")
    return int(text)


def _length(value: object) -> int:
    if is_absent(value):
        return 0
    text = _text_or_whole_number(value)
    if text is None or not _LENGTH.fullmatch(text) or int(text) > RESPONSE_LENGTH_MAX:
        raise InvalidRecordError("response_length", "A length is a whole number of bytes.")
    return int(text)


def _text_or_whole_number(value: object) -> str | None:
    """Return a text, or the digits of a number of reasonable length; None for anything else."""
    if isinstance(value, str):
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return str(value) if -RESPONSE_LENGTH_MAX <= value <= RESPONSE_LENGTH_MAX else None


def _cut(text: str, bytes_max: int) -> str:
    """Return the longest beginning of `text` that takes at most `bytes_max` in JSON."""
    if _json_bytes(text) <= bytes_max:
        return text
    lengths = range(min(len(text), bytes_max) + 1)
    return text[: bisect_right(lengths, bytes_max, key=lambda length: _json_bytes(text[:length])) - 1]


def _json_bytes(text: str) -> int:
    return len(_JSON.encode(text)) - len('""')
