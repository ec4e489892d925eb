import gzip
import io
from collections.abc import Callable

import pytest

from metering.domain.access_log import LINE_BYTES_MAX
from metering.gateways.log_lines import LogLine, LogLines, UnreadableLogError


def lines_of(data: bytes) -> list[LogLine]:
    return list(LogLines(io.BytesIO(data)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:])])
def test_log_lines_are_numbered_whether_packed_or_not(pack: Callable[[bytes], bytes]) -> None:
    assert lines_of(pack(b"one\ntwo\r\n\nfour")) == [
        LogLine(1, b"one"),
        LogLine(2, b"two"),
        LogLine(3, b""),
        LogLine(4, b"four", is_ended=False),
    ]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_an_overlong_line_is_cut_and_does_not_disturb_the_next(end: bytes) -> None:
    long = b"x" * (3 * LINE_BYTES_MAX + 7)
    first, second, last = lines_of(long + b"\nnext\n" + long + end)
    assert (first.number, first.is_cut, len(first.text)) == (1, True, LINE_BYTES_MAX + 1)
    assert second == LogLine(2, b"next")
    assert (last.number, last.is_cut, last.is_ended) == (3, True, bool(end))


def test_a_line_of_the_maximum_length_is_whole() -> None:
    [line] = lines_of(b"x" * LINE_BYTES_MAX + b"\n")
    assert (line.is_cut, len(line.text)) == (False, LINE_BYTES_MAX)


def test_an_empty_log_has_no_lines() -> None:
    assert lines_of(b"") == []


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:40] + b"\x00" * 20 + data[60:]])
def test_a_damaged_log_stream_raises(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(UnreadableLogError, match="ends early or is corrupt"):
        lines_of(damage(gzip.compress("".join(f"{n * n}\n" for n in range(2000)).encode())))


def test_progress_is_measured_in_bytes_on_disk() -> None:
    packed = gzip.compress(b"line\n" * 100_000)
    lines = LogLines(io.BytesIO(packed))
    assert sum(1 for _ in lines) == 100_000
    assert lines.bytes_read == len(packed)
