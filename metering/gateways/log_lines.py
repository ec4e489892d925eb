"""Reading the lines of a log file of any size, plain or packed by gzip, bzip2, xz or zstd, in constant memory.

The first bytes of a stream show how it is packed, not its name, so a pipe works like a file. They also show if it is
what CloudWatch's subscriptions deliver, of which the messages are the lines.
"""

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO, Final, NamedTuple, cast

from backports import zstd

from metering.domain.access_log import LINE_BYTES_MAX
from metering.gateways import cloudwatch

CHUNK_BYTES: Final = 1024 * 1024


class Packing(NamedTuple):
    """A way to pack files, the bytes that begin them, and the function that unpacks one."""

    name: str
    magic: bytes
    unpacked: Callable[[BinaryIO], object]


PACKINGS: Final = (
    Packing("gzip", b"\x1f\x8b", lambda stream: gzip.GzipFile(fileobj=stream)),
    Packing("bzip2", b"BZh", bz2.BZ2File),
    Packing("xz", b"\xfd7zXZ\x00", lzma.LZMAFile),
    Packing("zstd", b"\x28\xb5\x2f\xfd", zstd.ZstdFile),
)
_MAGIC_BYTES: Final = max(len(packing.magic) for packing in PACKINGS)
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class LogLine(NamedTuple):
    """A line without its end.

    `is_ended` is false for a last line without a line end; a cut line was longer than the limit. `bytes_end` is where
    the next line begins, in the bytes after unpacking.
    """

    number: int
    text: bytes
    is_ended: bool = True
    is_cut: bool = False
    bytes_end: int = 0


class LinePosition(NamedTuple):
    """A place in a plain file: how many lines and bytes are before it."""

    lines: int = 0
    bytes: int = 0


class UnreadableLogError(Exception):
    """A packed stream ends early or is corrupt, or is no text; everything before that point was read."""


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

    def __init__(self, stream: BinaryIO, after: LinePosition | None = None) -> None:
        """Detect the packing by the first bytes; a stream that goes on after a position is plain."""
        self._counted = CountedStream(stream)
        self._after = after
        buffered: BufferedReader[Any] = BufferedReader(self._counted, CHUNK_BYTES)
        self.packing = None if after is not None else packing_of(buffered.peek(_MAGIC_BYTES))
        self._lines: BufferedReader[Any] = buffered if self.packing is None else unpacked(self.packing, buffered)

    @property
    def bytes_read(self) -> int:
        """Return the number of bytes read from the stream, before unpacking."""
        return self._counted.bytes_read

    def __iter__(self) -> Iterator[LogLine]:
        """Yield each line with its number in the file, from 1. Raises `UnreadableLogError`."""
        if self._is_of_cloudwatch():
            yield from self._messages()
            return
        number, bytes_end = self._after or LinePosition()
        while line := self._read():
            number += 1
            is_cut = len(line) > LINE_BYTES_MAX and not line.endswith(b"\n")
            rest = line
            bytes_end += len(line)
            while is_cut and rest and not rest.endswith(b"\n"):
                rest = self._read()
                bytes_end += len(rest)
            text = line.rstrip(b"\r\n")
            if number == 1:
                text = without_mark(text)
            yield LogLine(number, text, is_ended=rest.endswith(b"\n"), is_cut=is_cut, bytes_end=bytes_end)

    def _messages(self) -> Iterator[LogLine]:
        """Yield the lines of CloudWatch's documents."""
        messages = enumerate(cloudwatch.messages_in(cast("BinaryIO", self._lines)), 1)
        while True:
            with self._damage_told():
                numbered = next(messages, None)
            if numbered is None:
                return
            yield LogLine(*numbered)

    def _is_of_cloudwatch(self) -> bool:
        with self._damage_told():
            return self._after is None and self._lines.peek(1).startswith(cloudwatch.BEGINNING)

    def _read(self) -> bytes:
        with self._damage_told():
            return self._lines.readline(LINE_BYTES_MAX + 1)

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        """Raise `UnreadableLogError` for what a damaged stream raises."""
        try:
            yield
        except cloudwatch.InvalidDocumentError as error:
            raise UnreadableLogError(str(error)) from error
        except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstd.ZstdError) as error:
            raise self._unreadable(error) from error
        except OSError as error:
            if error.errno is not None or self.packing is None:
                raise
            raise self._unreadable(error) from error  # that is how bzip2 says that its data are corrupt

    def _unreadable(self, error: Exception) -> UnreadableLogError:
        name = self.packing.name if self.packing else "log"
        return UnreadableLogError(f"The {name} stream ends early or is corrupt: {error}.")


def unpacked(packing: Packing, stream: "BufferedReader[Any]") -> "BufferedReader[Any]":
    """Return the unpacked bytes of a stream."""
    return BufferedReader(cast("RawIOBase", packing.unpacked(cast("BinaryIO", stream))))


def packing_of(beginning: bytes) -> Packing | None:
    """Return how a stream that begins with these bytes is packed; None if it is plain."""
    return next((packing for packing in PACKINGS if beginning.startswith(packing.magic)), None)


def without_mark(text: bytes) -> bytes:
    """Return a first line without its byte order mark. Raises `UnreadableLogError` if the mark says UTF-16."""
    if text.startswith(_UTF_16):
        raise UnreadableLogError("The log is in UTF-16: write it as UTF-8.")
    return text.removeprefix(codecs.BOM_UTF8)
