"""The body of a request, read completely before a thread gets it, with a deadline and a minimum rate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, Protocol

from config.serving.environ import Headers

# More than the application takes of anything. A larger body is not read, and the application refuses it by its length.
BODY_BYTES_MAX: Final = 8 * 1024 * 1024
# A larger body is kept in a file until it is complete, so that many slow senders take no memory.
MEMORY_BYTES_MAX: Final = 256 * 1024


class Source(Protocol):
    """The source of a body in granian: whole when called, or in pieces."""

    def __call__(self) -> Any: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...


class BodyTooSlowError(Exception):
    """The body did not arrive in time."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The time that a body may take: `seconds` for the first byte and the rest, plus its size by the rate."""

    seconds: int
    bytes_a_second: int

    def of(self, length: int) -> float:
        """Return the seconds that a body of this length may take."""
        return self.seconds + length / self.bytes_a_second


async def receive(headers: Headers, source: Source, patience: Patience) -> tuple[IO[bytes], int | None]:
    """Return the body and its length, or None if the request has none. Raises `BodyTooSlowError`.

    A body that is announced as too large is not read: only its length is returned.
    """
    announced = headers.get("content-length")
    if announced is None and headers.get("transfer-encoding") is None:
        return BytesIO(), None
    length = BODY_BYTES_MAX if announced is None else int(announced)
    if length > BODY_BYTES_MAX:
        return BytesIO(), length
    if not length:
        return BytesIO(), 0
    try:
        async with asyncio.timeout(patience.of(length)):
            if announced is not None and length <= MEMORY_BYTES_MAX:
                return BytesIO(await source()), length
            return await _collect(source)
    except TimeoutError as error:
        raise BodyTooSlowError from error


async def _collect(source: Source) -> tuple[IO[bytes], int]:
    """Return what arrives in pieces, and its length: at most one piece beyond the limit."""
    size = 0
    with ExitStack() as if_cut_off:
        body: IO[bytes] = if_cut_off.enter_context(SpooledTemporaryFile(MEMORY_BYTES_MAX))
        async for piece in source:
            body.write(piece)
            size += len(piece)
            if size > BODY_BYTES_MAX:
                break
        if_cut_off.pop_all()  # the caller closes it
    body.seek(0)
    return body, size
