"""Access logs: from a line of a file, or a record of `POST /access-logs`, to an event.

Query strings and fragments are dropped at once: they contain secrets, and each of them would
be an endpoint of its own. A line is refused only if its status or its time cannot be read:
real logs contain requests that are not HTTP, and those were requests too.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from accounts.errors import MalformedBodyError
from metering.domain.canonical import PropertyValue
from metering.domain.exact_json import decode_object
from metering.domain.http_requests import HTTP_METHOD, RESOURCE_PATH, RESPONSE_LENGTH, STATUS
from metering.domain.instants import InvalidInstantError, read_common_log_time, read_instant

LINE_BYTES_MAX: Final = 64 * 1024
RESPONSE_LENGTH_MAX: Final = 2**63 - 1
# What each text may take in JSON, escapes included: together far below the 4 KiB of properties.
TEXT_BYTES_MAX: Final = {"ip": 128, "user": 256, "http_method": 64, "resource_path": 2048, "protocol": 64}

# Field of a record -> its place in a JSON line, as API Gateway's access logs are usually set up.
API_GATEWAY_FIELDS: Final[Mapping[str, str]] = {
    "request_id": "requestId",
    "ip": "ip",
    "user": "user",
    "request_time": "requestTime",
    "http_method": "httpMethod",
    "resource_path": "resourcePath",
    "status": "status",
    "protocol": "protocol",
    "response_length": "responseLength",
}

_ABSENT: Final = ("", "-")
# Both parts before the request are bounded, so that a hostile line costs no more than its length.
_LINE: Final = re.compile(
    r"(?P<ip>\S+) \S+ (?P<user>.{0,255}?) \[(?P<time>[^\]]{1,40})\] "
    r'"(?P<request>[^"\\]*(?:\\.[^"\\]*)*)" (?P<status>\d{3}) (?P<length>\d+|-)(?: .*)?',
    re.ASCII | re.DOTALL,
)
_METHOD: Final = re.compile(r"[A-Z][A-Z-]{1,29}", re.ASCII)
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", re.ASCII)
_STATUS: Final = re.compile(r"[0-9]{3}", re.ASCII)
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
    """A line that is not a record, and the reason as a sentence."""

    reason: str


class InvalidRecordError(ValueError):
    """A value of a record cannot be read. `field` names it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


def parse_line(line: bytes) -> AccessRecord | BadLine:
    """Read a line of the common or the combined log format. What follows the length is ignored."""
    text = _decoded(line)
    if text is None:
        return BadLine("Longer than any request.")
    shape = _LINE.fullmatch(text)
    if shape is None:
        return BadLine("Not in the common or combined log format.")
    http_method, resource_path, protocol = _parts_of_request(shape["request"])
    members = {
        "ip": shape["ip"],
        "user": shape["user"],
        "request_time": shape["time"],
        "http_method": http_method,
        "resource_path": resource_path,
        "status": shape["status"],
        "protocol": protocol,
        "response_length": shape["length"],
    }
    try:
        return record_of(members)
    except InvalidRecordError as error:
        return BadLine(error.detail)


def parse_json_line(line: bytes, fields: Mapping[str, str] = API_GATEWAY_FIELDS) -> AccessRecord | BadLine:
    """Read a line of JSON. `fields` maps each field of a record to its place.

    A place is a member's name, or names joined by points: `req.id`.
    """
    if len(line) > LINE_BYTES_MAX:
        return BadLine("Longer than any request.")
    try:
        members = decode_object(line)
    except MalformedBodyError as error:
        return BadLine(error.detail)
    found = {field: _at(members, place) for field, place in fields.items()}
    try:
        record = record_of(found)
    except InvalidRecordError as error:
        return BadLine(error.detail)
    if record.status is None:
        return BadLine("No status.")
    if record.request_time is None:
        return BadLine("No time.")
    return record


def record_of(members: Mapping[str, Any]) -> AccessRecord:
    """Read the values of a record, which may all be texts, as gateways write them.

    Raises `InvalidRecordError`. Names other than those of `AccessRecord` are ignored.
    """
    path = _text("resource_path", members.get("resource_path"))
    return AccessRecord(
        request_id=_text("request_id", members.get("request_id")),
        ip=_text("ip", members.get("ip")),
        user=_text("user", members.get("user")),
        request_time=_time(members.get("request_time")),
        http_method=_text("http_method", members.get("http_method")),
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


def _decoded(line: bytes) -> str | None:
    """Return a line as text that can be stored; a byte that is not UTF-8 shows as its hex escape."""
    if len(line) > LINE_BYTES_MAX:
        return None
    return line.rstrip(b"\r\n ").decode("utf-8", "backslashreplace")


def _parts_of_request(request: str) -> tuple[str | None, str | None, str | None]:
    """Split a request line into method, target and protocol; three times None if it is not one."""
    http_method, _, rest = request.partition(" ")
    if not rest or not _METHOD.fullmatch(http_method):
        return None, None, None
    target, _, protocol = rest.rpartition(" ")
    if target and protocol.startswith("HTTP/"):
        return http_method, target, protocol
    return http_method, rest, None


def _without_query(target: str) -> str:
    """Return the path of a request target: no origin, no query, no fragment."""
    path = target.partition("#")[0].partition("?")[0]
    origin = _ORIGIN.match(path)
    return (path if origin is None else path[origin.end() :]) or "/"


def _at(members: Mapping[str, Any], place: str) -> object:
    """Find a member by its name, or else by the names that points join."""
    if place in members:
        return members[place]
    value: object = members
    for name in place.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _text(field: str, value: object) -> str | None:
    if value is None or value in _ABSENT:
        return None
    text = _text_or_whole_number(value)
    if text is None:
        raise InvalidRecordError(field, f"{field} is a string.")
    # An id is kept as it is, and refused later if it contains a NUL; all else is made storable.
    return text if field == "request_id" else text.replace("\0", "\\x00")


def _time(value: object) -> datetime | None:
    if value is None or value in _ABSENT:
        return None
    try:
        if isinstance(value, str) and _MILLISECONDS.fullmatch(value):
            return read_instant(int(value))
        if isinstance(value, str) and "/" in value:
            return read_common_log_time(value)
        return read_instant(value)
    except InvalidInstantError as error:
        raise InvalidRecordError("request_time", str(error)) from error


def _status(value: object) -> int | None:
    if value is None or value in _ABSENT:
        return None
    text = _text_or_whole_number(value)
    if text is None or not _STATUS.fullmatch(text):
        raise InvalidRecordError("status", "A status is a number of three digits.")
    return int(text)


def _length(value: object) -> int:
    if value is None or value in _ABSENT:
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
