"""What the readers of all formats share: the record of a line, with every value held to its field."""

from collections.abc import Mapping
from datetime import tzinfo
from functools import partial
from typing import Any, Final, NamedTuple

from metering.domain.access_log import AccessRecord, BadLine, InvalidRecordError, is_absent, is_address, record_of
from metering.domain.log_formats.times import read_log_time

NO_STATUS: Final = BadLine("No status.")
NO_TIME: Final = BadLine("No time.")
# What nginx writes for a client that comes through a socket of the machine itself.
_SOCKET: Final = "unix:"
_IPV4_DOTS: Final = 3


class Header(NamedTuple):
    """A line that says what the next ones are, such as `#Fields:`; `text` is kept for them."""

    text: str


Row = AccessRecord | BadLine | Header


class Context(NamedTuple):
    """What a line is read by besides its text: the zone of times without an offset, and the last header."""

    zone: tzinfo | None = None
    header: str = ""


def row_of(members: Mapping[str, Any], context: Context) -> AccessRecord | BadLine:
    """Return the record of a line, or the reason why it is none. A status and a time are needed."""
    found = dict(members)
    try:
        found["ip"] = client_address(members.get("ip"))
        record = record_of(found, partial(read_log_time, zone=context.zone))
    except InvalidRecordError as error:
        return BadLine(error.detail)
    if record.status is None:
        return NO_STATUS
    return NO_TIME if record.request_time is None else record


def client_address(value: object) -> object:
    """Return the address of a client out of `address`, `address:port` or a list of X-Forwarded-For.

    Of a list it is the first entry that is an address: the client that the first proxy saw. What is no address is
    returned as it is, so that the record is refused.
    """
    if not isinstance(value, str) or is_absent(value) or is_address(value):
        return value
    if value == _SOCKET:
        return None
    for part in value.split(","):
        bare = without_port(part.strip())
        if is_address(bare):
            return bare
    return value


def without_port(text: str) -> str:
    """Return `192.0.2.1` of `192.0.2.1:80`, `2001:db8::1` of `[2001:db8::1]:80`; anything else as it is."""
    if text.startswith("["):
        inside, bracket, port = text[1:].partition("]")
        return inside if bracket and (not port or _is_port(port)) else text
    host, colon, port = text.rpartition(":")
    return host if colon and _is_port(f":{port}") and host.count(".") == _IPV4_DOTS else text


def user_of_text(user: str) -> str:
    """Return the user of a line of text, which is one token. Raises `InvalidRecordError`."""
    if any(character.isspace() for character in user):
        raise InvalidRecordError("user", "The user is not one word.")
    return user


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isascii() and text[1:].isdecimal()
