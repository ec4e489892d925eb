"""Each real shape of an access log is detected, and every field of it is right."""

from zoneinfo import ZoneInfo

import pytest

from metering.domain.access_log import AccessRecord
from metering.domain.log_formats.reading import Context
from metering.domain.log_formats.registry import FORMATS, LineReader, detect
from tests.metering.log_lines.shapes import BASE, COMMON, SHAPES, Shape


def test_the_table_has_no_shape_twice() -> None:
    assert len({shape.name for shape in SHAPES}) == len({shape.lines for shape in SHAPES}) == len(SHAPES) >= 60


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_a_shape_is_detected_and_read_right(shape: Shape) -> None:
    lines = [line.encode() for line in shape.lines]
    zone = None if shape.zone is None else ZoneInfo(shape.zone)
    detected = detect(lines, FORMATS.values(), zone)
    assert detected is not None
    assert detected.format.name == shape.format
    reader = LineReader(detected, Context(zone))
    *headers, row = [reader.read(line) for line in lines]
    assert headers == [None] * (len(lines) - 1)
    assert isinstance(row, AccessRecord), row
    assert row._asdict() == BASE | shape.differs


def test_a_log_is_what_most_of_its_first_lines_are() -> None:
    lines = [b"starting", b'{"status": 200, "time": "2015-05-17T10:05:03Z"}', *[COMMON.encode()] * 3]
    detected = detect(lines, FORMATS.values())
    assert detected is not None
    assert detected.title == "combined: common or combined log format"
