"""The totals of an import of an access log: every line is accounted for."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from metering.domain.access_log import AccessRecord

BAD_LINES_KEPT_MAX: Final = 100


class BadLineFound(NamedTuple):
    """A line that was not metered, or not for itself, with the reason."""

    number: int
    reason: str


@dataclass(slots=True)
class ImportTotals:
    """The totals of an import so far. Every line is blank, a header, bad, unfinished, or else accepted or a duplicate.

    `identical` lines are equal to an earlier line of the file and are requests of their own; `repeated` ones have the
    id of an earlier line, which counts once. `response_bytes`, `first_at` and `last_at` cover all good lines, new or
    known. `stopped` is the reason if the import ended early.
    """

    lines: int = 0
    blank: int = 0
    headers: int = 0
    bad: int = 0
    unfinished: int = 0
    accepted: int = 0
    duplicates: int = 0
    identical: int = 0
    repeated: int = 0
    response_bytes: int = 0
    bytes_read: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    format: str = ""
    stopped: str = ""
    bad_lines: list[BadLineFound] = field(default_factory=list)
    repeated_lines: list[BadLineFound] = field(default_factory=list)
    bad_by_reason: Counter[str] = field(default_factory=Counter)

    def add_bad(self, number: int, reason: str) -> None:
        """Count a bad line; only the first ones are kept."""
        self.bad += 1
        self.bad_by_reason[reason] += 1
        if len(self.bad_lines) < BAD_LINES_KEPT_MAX:
            self.bad_lines.append(BadLineFound(number, reason))

    def add_repeated(self, number: int) -> None:
        """Count a line with the id of an earlier one; only the first ones are kept."""
        self.repeated += 1
        if len(self.repeated_lines) < BAD_LINES_KEPT_MAX:
            self.repeated_lines.append(BadLineFound(number, "Its id is that of an earlier line, so it counts once."))

    def add_good(self, record: AccessRecord) -> None:
        """Count the response of a good line."""
        at = record.request_time
        assert at is not None, "a line without a time is a bad one"
        self.response_bytes += record.response_length
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)

    def summary(self) -> dict[str, object]:
        """Return the summary for the job's row and the audit log."""
        return {
            "format": self.format,
            "lines": self.lines,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "identical": self.identical,
            "repeated": self.repeated,
            "bad": self.bad,
            "blank": self.blank,
            "unfinished": self.unfinished,
            "response_bytes": self.response_bytes,
            "first_at": self.first_at and self.first_at.isoformat(),
            "last_at": self.last_at and self.last_at.isoformat(),
            "stopped": self.stopped,
        }
