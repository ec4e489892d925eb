"""Streamed responses, made part by part in a file before they are sent.

granian takes parts of any number at once, whatever the client reads, and ends a response that breaks off as if it were
whole. So nothing is sent before all is made: memory is constant, no thread waits for the client, the response has its
length, and an error on the way is an error of the whole.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryFile
from typing import IO, Final, Protocol

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined] # exported for such use, though not by __all__

from config.serving.pools import Pool
from config.serving.short_way import Answer

# A streamed response up to this size is sent from memory, and a larger one from a file, which granian opens at once.
MEMORY_BYTES_MAX: Final = 256 * 1024
SECONDS_UNTIL_OPEN: Final = 30


class FileExchange(Protocol):
    """The way to respond with a file, and to know that the client has gone, as granian passes it."""

    def response_file(self, status: int, headers: Sequence[tuple[str, str]], file: str) -> None: ...

    async def client_disconnect(self) -> None: ...


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """A response whose parts are not made yet."""

    status: int
    headers: list[tuple[str, str]]
    parts: Iterator[bytes]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """A response whose body is a file that has no name, so that nothing is left of it after a crash."""

    status: int
    headers: list[tuple[str, str]]
    descriptor: int

    def send(self, exchange: FileExchange) -> None:
        """Send the file by granian, as fast as the client reads. It opens the file by itself, some moments later."""
        exchange.response_file(self.status, self.headers, f"/dev/fd/{self.descriptor}")
        asyncio.get_running_loop().call_later(SECONDS_UNTIL_OPEN, os.close, self.descriptor)


async def keep(answer: StreamedAnswer, pool: Pool, exchange: FileExchange) -> Answer | FileAnswer:
    """Return the whole response, made part by part in a file: memory is constant, and no thread waits for the client.

    granian would take parts of any number at once, and would end a response that breaks off as if it were whole. So
    nothing is sent before all is made, and the response has its length. Raises `ProtocolClosed` if the client goes.
    """
    gone = asyncio.ensure_future(exchange.client_disconnect())
    try:
        with TemporaryFile() as file:
            await _fill(file, answer.parts, pool, gone)
            length = file.tell()
            headers = [*answer.headers, ("content-length", str(length))]
            if length <= MEMORY_BYTES_MAX:
                file.seek(0)
                return answer.status, headers, file.read()
            file.flush()
            return FileAnswer(answer.status, headers, os.dup(file.fileno()))
    finally:
        gone.cancel()
        await pool.run(answer.close)


async def _fill(file: IO[bytes], parts: Iterator[bytes], pool: Pool, gone: asyncio.Future[None]) -> None:
    while await pool.run(partial(_keep_part, parts, file)):
        if gone.done():
            raise ProtocolClosed


def _keep_part(parts: Iterator[bytes], file: IO[bytes]) -> bool:
    """Write one part, in a thread. Return whether there may be another."""
    part = next(parts, None)
    if part is None:
        return False
    file.write(part)
    return True
