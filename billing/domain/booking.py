"""What the ledger of accounts records of a document: its lines as parts of months of service, and its taxes. Pure.

`docs/algorithms/ledger.md`, section L3.
"""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from billing.domain.invoicing.lines import CARRY
from billing.domain.money import allocate
from billing.ledger.domain.accounts import FEE
from billing.ledger.domain.entries import BookedDocument, Earned, TaxSum
from metering.domain.periods import YearMonth, local_day

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LineToBook:
    """A line of a document: its kind, the code of its meter (or nothing), its days, and its amount without tax."""

    kind: str
    meter: str
    first_day: date
    last_day: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class IssuedInvoice:
    """An invoice that was finalized, and what the ledger records of it."""

    id: UUID
    tenant_id: UUID
    currency: str
    issued_on: date
    finalized_at: datetime
    document: BookedDocument

    @property
    def is_sound(self) -> bool:
        """Return whether its total is the sum of what stands above it; else nothing can be posted."""
        document = self.document
        above = sum(part.amount_minor for part in document.earned) + sum(tax.tax_minor for tax in document.taxes)
        return above + document.carried_minor == document.total_minor


def booked_document(
    *, number: str, due_on: date | None, lines: Iterable[LineToBook], taxes: Sequence[TaxSum], total_minor: int
) -> BookedDocument:
    """Return what the ledger records of a document, the parts of one meter and month together."""
    earned: dict[tuple[str, date], int] = {}
    carried_minor = 0
    for line in lines:
        if line.kind == CARRY:
            carried_minor += line.amount_minor
            continue
        for month, amount_minor in parts_of(line):
            key = (line.meter or FEE, month)
            earned[key] = earned.get(key, 0) + amount_minor
    parts = tuple(Earned(meter, month, amount_minor) for (meter, month), amount_minor in sorted(earned.items()))
    return BookedDocument(number, due_on, parts, tuple(taxes), carried_minor, total_minor)


def parts_of(line: LineToBook) -> list[tuple[date, int]]:
    """Return the months of service of a line, by their first days, with the part of its amount that is of each."""
    if line.meter:
        return [(line.last_day.replace(day=1), line.amount_minor)]
    months = _days_by_month(line.first_day, line.last_day)
    amounts = allocate(line.amount_minor, [days for _, days in months])
    return [(month, amount_minor) for (month, _), amount_minor in zip(months, amounts, strict=True)]


@lru_cache(maxsize=1024)
def days_booked(start: datetime, end: datetime, time_zone: str) -> tuple[date, date]:
    """Return the first and the last day of a span in its time zone; an empty one has one day."""
    return local_day(start, time_zone), local_day(max(start, end - _MICROSECOND), time_zone)


@lru_cache(maxsize=1024)
def _days_by_month(first_day: date, last_day: date) -> tuple[tuple[date, int], ...]:
    months, month = [], YearMonth.of(first_day)
    while month <= YearMonth.of(last_day):
        begins = month.first_day()
        ends = begins.replace(day=monthrange(*month)[1])
        months.append((begins, (min(ends, last_day) - max(begins, first_day)).days + 1))
        month = month.plus(1)
    return tuple(months)
