"""HTTP requests to addresses that customers chose: only to the public internet, bounded in time and size.

A name is resolved once for a connection, each of its addresses is checked, and the connection goes to a checked address
itself: there is no second look-up that could return another one. The socket checks again what it connects to. TLS is
verified for the name in the URL. Redirects are not followed, and no proxy of the environment is used.
"""

import asyncio
import resource
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from accounts.domain.public_addresses import InvalidUrlError, Network, may_connect, read_address, read_target

SECONDS_MAX: Final = 15
CONNECT_SECONDS_MAX: Final = 10
# A connection is kept for a moment, for the next message to the same host. Servers close theirs after five seconds.
KEEP_SECONDS: Final = 3
REPLY_BYTES_MAX: Final = 16_384
REPLY_CHARACTERS_KEPT: Final = 2000
LOOK_UPS_MAX: Final = 32
FILES_MAX: Final = 8192  # a connection is an open file; the usual limit is 1024
USER_AGENT: Final = "Countinghouse-Webhooks/1"

_SUCCESS: Final = range(200, 300)
_REDIRECT: Final = range(300, 400)

# The reasons why there was no response, the particular ones first.
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "The TLS certificate is not valid for this host."),
    (aiohttp.ClientSSLError, "A TLS connection could not be made."),
    (aiohttp.ClientConnectorDNSError, "The host name cannot be resolved."),
    (aiohttp.ClientConnectorError, "No connection could be made."),
    (aiohttp.ServerDisconnectedError, "The connection was closed before a response came."),
    (OSError, "The connection was closed before a response came."),
    (Exception, "The response could not be read."),
)

# Whatever else went wrong, went wrong after a part of the request may have been sent.
_NOTHING_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, InvalidUrlError)

# Returns the addresses of a host and port, as `socket.getaddrinfo` does.
LookUp = Callable[[str, int], Sequence[tuple[Any, ...]]]


class NotPublicError(Exception):
    """The host leads to an address that is not public. Not an OSError: those a connection is tried again after."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Without `status_code` there was no response, and `error` says why.

    `may_have_arrived` is false if there was no connection, so that nothing was sent.
    """

    status_code: int | None
    error: str
    text: str = ""
    retry_after: str = ""
    milliseconds: int = 0
    may_have_arrived: bool = True


def system_look_up(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """Resolve a host by the operating system."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class _CheckedResolver(AbstractResolver):
    """Resolves a name for one connection, and refuses it if one of its addresses is not public."""

    def __init__(self, allowed: Sequence[Network], look_up: LookUp) -> None:
        self._allowed = allowed
        self._look_up = look_up
        # A look-up cannot be interrupted: one that hangs keeps its thread, and none of another purpose.
        self._threads = ThreadPoolExecutor(LOOK_UPS_MAX, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of the host, all of them public. Raises `NotPublicError` and OSError."""
        del family  # of either family
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._look_up, host, port)
        results: list[ResolveResult] = []
        for kind, _, protocol, _, place in found:
            refuse_unless_public(place[0], self._allowed)
            results.append(
                {
                    "hostname": host,
                    "host": place[0],
                    "port": port,
                    "family": kind,
                    "proto": protocol,
                    "flags": socket.AI_NUMERICHOST,
                }
            )
        if not results:
            raise OSError(None, "the name has no address")
        return results

    async def close(self) -> None:
        """Release the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def refuse_unless_public(text: str, allowed: Sequence[Network]) -> None:
    """Raise `NotPublicError` unless a connection to the address is allowed."""
    try:
        address = read_address(text)
    except ValueError as error:
        raise NotPublicError from error
    if not may_connect(address, allowed):
        raise NotPublicError


def raise_file_limit() -> None:
    """Raise this process's limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Outbound:
    """Sends POST requests to URLs of customers. Used as `async with Outbound(...) as outbound`."""

    def __init__(
        self,
        *,
        allowed: Sequence[Network] = (),
        look_up: LookUp = system_look_up,
        tls: ssl.SSLContext | None = None,
        seconds_max: int = SECONDS_MAX,
    ) -> None:
        """Set who may be called; `allowed` names networks beside the public internet, for development."""
        self._allowed = tuple(allowed)
        self._look_up = look_up
        self._tls = tls
        self._seconds_max = seconds_max

    async def __aenter__(self) -> Self:
        """Open the connection pool, with room for many connections."""
        raise_file_limit()
        connector = aiohttp.TCPConnector(
            resolver=_CheckedResolver(self._allowed, self._look_up),
            use_dns_cache=False,
            ssl=self._tls or ssl.create_default_context(),
            limit=0,
            keepalive_timeout=KEEP_SECONDS,
            socket_factory=self._socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._seconds_max, connect=min(CONNECT_SECONDS_MAX, self._seconds_max)),
            auto_decompress=False,
            raise_for_status=False,
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._session.close()

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one request, and return what came back. Raises nothing: what went wrong is in the reply."""
        loop = asyncio.get_running_loop()
        started, may_have_arrived = loop.time(), True
        try:
            status, text, retry_after = await self._send(url, body, headers)
            error = "" if status in _SUCCESS else _words_of_status(status)
        except (aiohttp.ClientError, NotPublicError, InvalidUrlError, TimeoutError, OSError, ValueError) as problem:
            status, text, retry_after, error = None, "", "", self._words_of(problem)
            may_have_arrived = not isinstance(problem, (*_NOTHING_SENT, NotPublicError))
        return Reply(status, error, text, retry_after, int((loop.time() - started) * 1000), may_have_arrived)

    async def _send(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str]:
        target = read_target(url, self._allowed)
        async with self._session.post(
            URL(target.url, encoded=True), data=body, headers=CIMultiDict(headers), allow_redirects=False
        ) as response:
            return response.status, await _beginning(response), response.headers.get("Retry-After", "")

    def _socket(self, place: tuple[Any, ...]) -> socket.socket:
        """Create the socket of one connection, unless its address is not public."""
        kind, form, protocol, _, address = place
        refuse_unless_public(address[0], self._allowed)
        return socket.socket(kind, form, protocol)

    def _words_of(self, error: Exception) -> str:
        """Return the reason in our words: nothing of it is the receiver's."""
        if isinstance(error, InvalidUrlError):
            return f"The URL is refused: {error}"
        if isinstance(error, NotPublicError):
            return "The host leads to an address that is not public."
        if isinstance(error, TimeoutError):
            return f"No response within {self._seconds_max} seconds."
        return next(words for kind, words in _REASONS if isinstance(error, kind))


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Read a bounded part of the response. Without its end the connection is closed; the status stands either way."""
    received = bytearray()
    try:
        while len(received) <= REPLY_BYTES_MAX:
            piece = await response.content.readany()
            if not piece:
                break
            received += piece
        else:
            response.close()
    except (aiohttp.ClientError, TimeoutError, OSError):
        response.close()
    text = received[: REPLY_CHARACTERS_KEPT * 4].decode(errors="replace").replace("\x00", "\ufffd")
    return text[:REPLY_CHARACTERS_KEPT]


def _words_of_status(status: int) -> str:
    if status in _REDIRECT:
        return f"HTTP {status}: redirects are not followed."
    return f"HTTP {status}"
