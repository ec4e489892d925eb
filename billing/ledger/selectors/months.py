"""The sums of each month: of the postings while it is open, the stored sums once it is closed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db.models import Max, Min

from accounts.sql import fetch_all
from billing.ledger.domain.accounts import LedgerAccount
from billing.ledger.domain.months import MonthSum, digest_of_sums, month_after
from billing.ledger.models import ClosedMonth, JournalEntry

SUMS: Final = """
SELECT date_trunc('month', p.posted_on)::date, p.currency, e.kind, p.account, p.meter,
    coalesce(to_char(p.service_month, 'YYYY-MM'), ''), p.jurisdiction, p.tax_category, p.tax_name,
    coalesce(trim_scale(p.tax_percent)::text, ''), p.provider, sum(p.amount_minor)::bigint,
    coalesce(sum(p.base_minor), 0)::bigint
FROM ledger_posting AS p JOIN ledger_journalentry AS e ON e.id = p.entry_id
WHERE p.posted_on >= %(first)s AND p.posted_on < %(end)s
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""


def sums_of_months(*, first: date, end: date) -> dict[date, tuple[MonthSum, ...]]:
    """Return the sums of the months from `first` on and before `end`, both first days; one without postings has none.

    Those of a closed month are the sums stored when it was closed.
    """
    closed = ClosedMonth.objects.filter(month__gte=first, month__lt=end)
    kept = {month.month: tuple(MonthSum.read(row) for row in month.sums) for month in closed}
    open_since = max([first, *(month_after(month) for month in kept)])
    return {**kept, **(sums_as_posted(first=open_since, end=end) if open_since < end else {})}


def sums_as_posted(*, first: date, end: date) -> dict[date, tuple[MonthSum, ...]]:
    """Return the sums of the postings themselves, whether a month is closed or not."""
    found: dict[date, list[MonthSum]] = defaultdict(list)
    for month, *row in fetch_all(SUMS, {"first": first, "end": end}):
        found[month].append(MonthSum.read(dict(zip(MonthSum.__slots__, row, strict=True))))
    return {month: tuple(sums) for month, sums in found.items()}


def first_open_month() -> date | None:
    """Return the first day of the earliest month that is open and has, or may have, entries; None before the first."""
    last: date | None = ClosedMonth.objects.aggregate(last=Max("month"))["last"]
    if last is not None:
        return month_after(last)
    first: date | None = JournalEntry.objects.aggregate(first=Min("posted_on"))["first"]
    return None if first is None else first.replace(day=1)


def changed_months() -> list[date]:
    """Return the closed months whose postings differ from the stored sums."""
    months: Mapping[date, str] = dict(ClosedMonth.objects.values_list("month", "digest"))
    if not months:
        return []
    posted = sums_as_posted(first=min(months), end=month_after(max(months)))
    return sorted(month for month, digest in months.items() if digest_of_sums(posted.get(month, ())) != digest)


@dataclass(frozen=True, slots=True)
class TaxOfPeriod:
    """The charged amount of one tax, less reversals; a rate of 0 has only its base."""

    currency: str
    jurisdiction: str
    category: str
    name: str
    percent: str
    base_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class RevenueOfPeriod:
    """The earned revenue of one month of service by one meter, without tax."""

    currency: str
    service_month: str
    meter: str
    amount_minor: int


def taxes_of(*, first: date, end: date) -> list[TaxOfPeriod]:
    """Return the taxes posted in some months, by currency, jurisdiction and rate."""
    found: dict[tuple[str, str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in _posted(first, end, LedgerAccount.TAX):
        sums = found[row.currency, row.jurisdiction, row.tax_category, row.tax_name, row.tax_percent]
        sums[0] += row.base_minor
        sums[1] -= row.amount_minor
    return [TaxOfPeriod(*key, base_minor, tax_minor) for key, (base_minor, tax_minor) in sorted(found.items())]


def revenue_of(*, first: date, end: date) -> list[RevenueOfPeriod]:
    """Return the revenue earned in some months of posting, by currency, month of service and meter."""
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in _posted(first, end, LedgerAccount.REVENUE):
        found[row.currency, row.service_month, row.meter] -= row.amount_minor
    return [RevenueOfPeriod(*key, amount) for key, amount in sorted(found.items()) if amount]


def _posted(first: date, end: date, account: LedgerAccount) -> Iterator[MonthSum]:
    for sums in sums_of_months(first=first, end=end).values():
        yield from (row for row in sums if row.account == account)
