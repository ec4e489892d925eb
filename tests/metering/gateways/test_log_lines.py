import bz2
import gzip
import io
import lzma
from collections.abc import Callable

import pytest
from backports import zstd

from metering.domain.access_log import LINE_BYTES_MAX
from metering.gateways.log_lines import LogLine, LogLines, UnreadableLogError


def lines_of(data: bytes) -> list[LogLine]:
    return list(LogLines(io.BytesIO(data)))


def in_two(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: pack(data[:3]) + pack(data[3:])


def zstandard(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})  # as the command zstd does


PACKERS = (gzip.compress, bz2.compress, lzma.compress, zstandard)


@pytest.mark.parametrize("pack", [bytes, *PACKERS, *map(in_two, PACKERS)])
def test_log_lines_are_numbered_whether_packed_or_not(pack: Callable[[bytes], bytes]) -> None:
    assert lines_of(pack(b"one\ntwo\r\n\nfour")) == [
        LogLine(1, b"one", bytes_end=4),
        LogLine(2, b"two", bytes_end=9),
        LogLine(3, b"", bytes_end=10),
        LogLine(4, b"four", is_ended=False, bytes_end=14),
    ]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_an_overlong_line_is_cut_and_does_not_disturb_the_next(end: bytes) -> None:
    long = b"x" * (3 * LINE_BYTES_MAX + 7)
    first, second, last = lines_of(long + b"\nnext\n" + long + end)
    assert (first.number, first.is_cut, len(first.text)) == (1, True, LINE_BYTES_MAX + 1)
    assert (first.bytes_end, second) == (len(long) + 1, LogLine(2, b"next", bytes_end=len(long) + 6))
    assert (last.number, last.is_cut, last.is_ended) == (3, True, bool(end))


def test_a_line_of_the_maximum_length_is_whole() -> None:
    [line] = lines_of(b"x" * LINE_BYTES_MAX + b"\n")
    assert (line.is_cut, len(line.text)) == (False, LINE_BYTES_MAX)


def test_an_empty_log_has_no_lines() -> None:
    assert lines_of(b"") == []


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:40] + b"\x00" * 20 + data[60:]])
def test_a_damaged_log_stream_raises(pack: Callable[[bytes], bytes], damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(UnreadableLogError, match="ends early or is corrupt"):
        lines_of(damage(pack("".join(f"{n * n}\n" for n in range(2000)).encode())))


def test_an_error_of_the_disk_is_not_taken_for_a_damaged_log() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(min(size or 0, 200))

    packed = bz2.compress("".join(f"{n * n}\n" for n in range(2000)).encode())
    with pytest.raises(OSError, match="Input/output error"):
        list(LogLines(Failing(packed)))


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert [line.text for line in lines_of(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")] == [b"one", b"\xef\xbb\xbftwo"]
    with pytest.raises(UnreadableLogError, match="UTF-16"):
        lines_of("one\n".encode("utf-16"))


def test_progress_is_measured_in_bytes_on_disk() -> None:
    packed = gzip.compress(b"line\n" * 100_000)
    lines = LogLines(io.BytesIO(packed))
    assert sum(1 for _ in lines) == 100_000
    assert lines.bytes_read == len(packed)
