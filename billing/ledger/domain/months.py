"""The sums of a month of posting, which are stored when it is closed: `docs/algorithms/ledger.md`, section L5. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class MonthSum:
    """The sum of all entries of a kind in a month on an account, by attributes. Days are ISO texts, as stored."""

    currency: str
    kind: str
    account: str
    meter: str
    service_month: str
    jurisdiction: str
    tax_category: str
    tax_name: str
    tax_percent: str
    provider: str
    amount_minor: int
    base_minor: int

    def stored(self) -> dict[str, object]:
        """Return the sum in the form that a closed month stores."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, object]) -> "MonthSum":
        """Return a sum that a closed month has stored."""
        return cls(**stored)  # type: ignore[arg-type]  # written by `stored`


def digest_of_sums(sums: Sequence[MonthSum]) -> str:
    """Return the SHA-256 of a month's sums, as 64 hexadecimal digits."""
    rows = [sum_.stored() for sum_ in sums]
    text = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def months_between(first: date, last: date) -> list[date]:
    """Return the first days of the months from that of `first` to that of `last`, both included."""
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [date(number // 12, number % 12 + 1, 1) for number in numbers]


def month_after(first: date) -> date:
    """Return the first day of the month after the one that begins on `first`."""
    return months_between(first, date(first.year + 1, first.month, 1))[1]
