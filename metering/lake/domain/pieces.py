"""Where the rows of a question are: the pieces of its span that the lake has, and those that the ledger has. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from metering.domain.retention import month_after, month_start
from metering.lake.domain.questions import Range


class RowSource(StrEnum):
    """Where a question's rows are read: both, as is best for each month, or only one of the two."""

    BOTH = "both"
    LEDGER = "ledger"
    LAKE = "lake"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a question's span, read as a whole from the lake or from the ledger."""

    span: Range
    is_in_lake: bool


def pieces_of(span: Range, months: Sequence[date]) -> list[Piece]:
    """Return the pieces of a span in order, of which `months` (their first days, sorted) are read from the lake."""
    pieces: list[Piece] = []
    begin = span.start
    for first, last in _runs(months):
        start, end = max(first, span.start or first), min(last, span.end or last)
        if start >= end:
            continue
        if begin is None or begin < start:
            pieces.append(Piece(Range(begin, start), is_in_lake=False))
        pieces.append(Piece(Range(start, end), is_in_lake=True))
        begin = end
    if begin is None or span.end is None or begin < span.end:
        pieces.append(Piece(Range(begin, span.end), is_in_lake=False))
    return pieces


def _runs(months: Sequence[date]) -> Iterator[tuple[datetime, datetime]]:
    """Yield start and end of each run of months that follow one another."""
    begin: date | None = None
    for number, month in enumerate(months):
        begin = begin or month
        if number + 1 == len(months) or months[number + 1] != month_after(month):
            yield month_start(begin), month_start(month_after(month))
            begin = None
