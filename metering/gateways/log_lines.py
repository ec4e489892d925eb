"""Reading the lines of a log file of any size, plain or gzip, in constant memory.

The first bytes of a stream show whether it is gzip, not its name, so a pipe works like a file.
"""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader, RawIOBase
from typing import BinaryIO, Final, NamedTuple, cast

from metering.domain.access_log import LINE_BYTES_MAX

GZIP_MAGIC: Final = b"\x1f\x8b"
CHUNK_BYTES: Final = 1024 * 1024


class LogLine(NamedTuple):
    """A line without its end.

    `is_ended` is false for a last line without a line end; a cut line was longer than the limit.
    """

    number: int
    text: bytes
    is_ended: bool = True
    is_cut: bool = False


class UnreadableLogError(Exception):
    """A gzip stream ends early or is corrupt; everything before that point was read."""


class CountedStream(RawIOBase):
    """Counts the bytes read from a stream as stored on disk, to report progress."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.bytes_read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # the base says Buffer, which 3.11 cannot name
        """Read the available bytes, up to the buffer's size."""
        chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.bytes_read += len(chunk)
        return len(chunk)


class LogLines:
    """An iterator over the lines of one log. It can be used once."""

    def __init__(self, stream: BinaryIO) -> None:
        """Detect gzip by the first bytes."""
        self._counted = CountedStream(stream)
        buffered = BufferedReader(self._counted, CHUNK_BYTES)
        is_packed = buffered.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC
        self._lines = BufferedReader(cast("RawIOBase", gzip.GzipFile(fileobj=buffered))) if is_packed else buffered

    @property
    def bytes_read(self) -> int:
        """Return the number of bytes read from the stream, before unpacking."""
        return self._counted.bytes_read

    def __iter__(self) -> Iterator[LogLine]:
        """Yield each line with its number, from 1. Raises `UnreadableLogError`."""
        number = 0
        while line := self._read():
            number += 1
            is_cut = len(line) > LINE_BYTES_MAX and not line.endswith(b"\n")
            rest = line
            while is_cut and rest and not rest.endswith(b"\n"):
                rest = self._read()
            yield LogLine(number, line.rstrip(b"\r\n"), is_ended=rest.endswith(b"\n"), is_cut=is_cut)

    def _read(self) -> bytes:
        try:
            return self._lines.readline(LINE_BYTES_MAX + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableLogError(f"The gzip stream ends early or is corrupt: {error}.") from error
