"""The common log format and its relatives: Apache, nginx, Traefik, Caddy, API Gateway, and whoever writes as they do.

A line is a client, the time, the request, the status and the length of the response; before the time may stand a host
or a list of X-Forwarded-For, and ident and user; what follows the length is not read. Each part may be in quotes. The
time may also be first. All parts are bounded, so that a hostile line costs no more than its length.

    common          192.0.2.1 - frank [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12
    combined        the same, and then "referrer" "agent"
    vhost_combined  example.com:443 192.0.2.1 - frank [...
    forwarded       203.0.113.7, 192.0.2.1 - frank [... or 203.0.113.7 192.0.2.1 - frank [...
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from metering.domain.access_log import BadLine, InvalidRecordError, is_absent, is_address, parts_of_request
from metering.domain.log_formats.reading import Context, Row, client_address, row_of, user_of_text, without_port
from metering.domain.log_formats.times import looks_like_time

NOT_COMMON: Final = BadLine("Not in the common or combined log format.", is_other_format=True)
PARTS_BEFORE_MAX: Final = 24
_TOKEN: Final = re.compile(
    r'\s*(?:"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"|\[(?P<bracketed>[^\]]{1,64})\]|(?P<bare>[^\s"\[][^\s]*))(?=[\s"\[]|$)',
    re.ASCII | re.DOTALL,
)
# The usual line, for which one expression is several times as fast as tokens.
_PLAIN: Final = re.compile(
    r'(?P<ip>[0-9A-Fa-f.:]{2,45}) \S+ (?P<user>[^\s"\[]\S*) \[(?P<time>[^\]]{1,64})\] '
    r'"(?P<request>[^"\\]*(?:\\.[^"\\]*)*)" (?P<status>[0-9]{3}) (?P<length>[0-9]+|-)(?: [^\[]*)?',
    re.ASCII | re.DOTALL,
)
_DATE_HALF: Final = re.compile(r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:.]{8,18}", re.ASCII)
_STATUS: Final = re.compile(r"[0-9]{3}|-", re.ASCII)
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._*-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?", re.ASCII)
_CLIENT_ONLY, _WITH_USER, _WITH_HOST = 1, 3, 4


class _Token(NamedTuple):
    text: str
    is_quoted: bool
    is_bracketed: bool


class _Line(NamedTuple):
    """The parts of a line, as texts."""

    before: list[str]
    time: str
    request: str
    status: str
    length: str


def read_common_log(text: str, context: Context) -> Row:
    """Read a line of the common log format or of one of its relatives."""
    line = _taken_apart(text)
    if line is None:
        return NOT_COMMON
    try:
        ip, user = _client_and_user(line.before)
    except InvalidRecordError as error:
        return BadLine(error.detail)
    http_method, resource_path, protocol = parts_of_request(line.request)
    members = {
        "ip": ip,
        "user": user,
        "request_time": line.time,
        "http_method": http_method,
        "resource_path": resource_path,
        "status": line.status,
        "protocol": protocol,
        "response_length": line.length,
    }
    return row_of(members, context)


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of a line, as far as they can be told apart."""
    position = 0
    while shape := _TOKEN.match(text, position):
        position = shape.end()
        kind = shape.lastgroup or ""
        yield _Token(shape[kind], is_quoted=kind == "quoted", is_bracketed=kind == "bracketed")


def _taken_apart(text: str) -> _Line | None:
    """Return the parts of a line, or None if it has another form."""
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        ip, user, time, request, status, length = plain.groups()
        return _Line([ip, "-", user], time, request, status, length)
    return _by_tokens(text)


def _by_tokens(text: str) -> _Line | None:
    tokens = _tokens(text)
    before: list[str] = []
    for token in tokens:
        if not (token.is_quoted or token.is_bracketed) and _DATE_HALF.fullmatch(token.text):
            offset = next(tokens, None)
            return None if offset is None else _after_time(tokens, before, f"{token.text} {offset.text}")
        if token.is_bracketed or looks_like_time(token.text.removeprefix("[").removesuffix("]")):
            return _after_time(tokens, before, token.text)
        before.append(token.text)
        if len(before) > PARTS_BEFORE_MAX:
            return None
    return None


def _after_time(tokens: Iterator[_Token], before: list[str], time: str) -> _Line | None:
    """Read on behind the time. If the time is first, the request is what a status follows."""
    has_client = bool(before)
    request = next(tokens, None)
    status = next(tokens, None)
    while not has_client and request and status and not (request.is_quoted and _STATUS.fullmatch(status.text)):
        before.append(request.text)
        request, status = status, next(tokens, None)
        if len(before) > PARTS_BEFORE_MAX:
            return None
    length = next(tokens, None)
    if request is None or status is None or length is None or not request.is_quoted:
        return None
    if any(token.is_bracketed and looks_like_time(token.text) for token in tokens):
        return None  # a part before was not escaped, and resembles a whole line
    return _Line(before, time, request.text, status.text, length.text)


def _client_and_user(before: list[str]) -> tuple[object, str | None]:
    """Return the client and the user out of what stands before the time. Raises `InvalidRecordError`."""
    parts = _lists_joined(before)
    if len(parts) == _CLIENT_ONLY:
        return client_address(parts[0]), None
    if len(parts) == _WITH_USER:
        return client_address(parts[0]), user_of_text(parts[2])
    if len(parts) != _WITH_HOST:
        raise InvalidRecordError("user", "Not client, ident and user before the time.")
    first, peer, _, user = parts
    if is_absent(peer):
        raise InvalidRecordError("ip", "The client is not an IP address.")
    if _is_forwarded(first):
        return client_address(first), user_of_text(user)
    if not (is_absent(first) or "," in first or _HOST.fullmatch(first)):
        raise InvalidRecordError("ip", "Neither a host nor an address before the client.")
    return client_address(peer), user_of_text(user)


def _lists_joined(parts: list[str]) -> list[str]:
    """Join `192.0.2.1,` and `192.0.2.2`, which are one list."""
    joined: list[str] = []
    for part in parts:
        if joined and joined[-1].endswith(","):
            joined[-1] = f"{joined[-1]} {part}"
        else:
            joined.append(part)
    return joined


def _is_forwarded(text: str) -> bool:
    """Return whether a first part is a list of X-Forwarded-For with an address, and not a host with a port."""
    return any(is_address(part.strip()) for part in text.split(",")) or (
        "," in text and any(is_address(without_port(part.strip())) for part in text.split(","))
    )
