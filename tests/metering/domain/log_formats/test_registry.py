"""Detection by the first lines; the reading of each shape is in `log_lines`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.access_log import LINE_BYTES_MAX, AccessRecord, BadLine
from metering.domain.log_formats.reading import Context
from metering.domain.log_formats.registry import (
    ALIASES,
    FORMATS,
    NAMES,
    TOO_LONG,
    Detected,
    LineReader,
    detect,
    format_named,
    with_places,
)
from tests.metering.log_lines.shapes import COMMON, ENVELOPE_SHAPES


def test_every_name_is_a_format() -> None:
    assert len(set(NAMES)) == len(FORMATS) + len(ALIASES)
    assert {format_named(name).name for name in NAMES} == set(FORMATS)


@pytest.mark.parametrize("shape", ENVELOPE_SHAPES, ids=[shape.name for shape in ENVELOPE_SHAPES])
def test_the_envelopes_of_a_log_are_named(shape: object) -> None:
    [line] = shape.lines  # type: ignore[attr-defined]  # a Shape
    detected = detect([line.encode()], FORMATS.values())
    assert detected is not None
    assert detected.envelopes
    assert ", in " in detected.title


def test_nothing_is_detected_in_nothing() -> None:
    assert detect([], FORMATS.values()) is detect([b"nonsense", b"\xff\x00"], FORMATS.values()) is None


def test_mapped_places_are_read_from_any_object() -> None:
    moved = with_places(format_named("jsonl"), {"status": "res.code", "request_id": "id", "request_time": "at"})
    found = moved.read('{"res": {"code": 404}, "id": 7, "at": 1431857103000, "ip": "::1"}', Context())
    assert isinstance(found, AccessRecord)
    assert (found.status, found.request_id, found.ip) == (404, "7", "::1")


def test_a_line_that_is_too_long_is_not_looked_at() -> None:
    reader = LineReader(Detected(FORMATS["combined"]), Context())
    assert reader.read(COMMON.encode() + b" " * LINE_BYTES_MAX) == TOO_LONG


@given(lines=st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_detected_or_not(lines: list[bytes]) -> None:
    detected = detect([*lines, COMMON.encode()], FORMATS.values())
    assert detected is not None
    for line in lines:
        row = LineReader(detected, Context()).read(line)
        assert row is None or isinstance(row, (AccessRecord, BadLine))
