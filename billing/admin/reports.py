"""The reports of the books: their parameters and tables. Every figure is a sum of the ledger of accounts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

from accounts.models import Tenant
from billing.domain.money import amount_text, to_major
from billing.ledger.domain.accounts import FEE
from billing.ledger.domain.days import AgeBracket
from billing.ledger.selectors.months import revenue_of, taxes_of
from billing.ledger.selectors.reports import account_balances, aged_receivables, deferred_fees
from billing.ledger.selectors.statements import currencies_of, statement_of

Cell = str | tuple[int, str]  # a text, or minor units with their currency


@dataclass(frozen=True, slots=True)
class ReportQuestion:
    """The parameters of a report: months of posting with `end` excluded, a day, a tenant."""

    first: date
    end: date
    at: date
    tenant: Tenant | None = None


@dataclass(frozen=True, slots=True)
class ReportTable:
    """The table of a report. `totals` are its sums by currency, for the columns of amounts."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[Sequence[Cell]] = ()

    @property
    def shown(self) -> list[list[tuple[str, str, bool]]]:
        """Return the rows as people read them: the column, the cell, and whether it is an amount."""
        return self._shown(self.rows)

    @property
    def shown_totals(self) -> list[list[tuple[str, str, bool]]]:
        """Return the sums as people read them."""
        return self._shown(self.totals)

    def _shown(self, rows: Sequence[Sequence[Cell]]) -> list[list[tuple[str, str, bool]]]:
        return [[(name, *_shown(cell)) for name, cell in zip(self.columns, row, strict=True)] for row in rows]

    @property
    def plain(self) -> list[list[object]]:
        """Return the rows for a file: amounts as decimals with a point."""
        return [[cell if isinstance(cell, str) else to_major(*cell) for cell in row] for row in self.rows]

    @property
    def headings(self) -> list[tuple[str, bool]]:
        """Return the columns' names, each with whether it is of amounts."""
        cells = self.rows[0] if self.rows else [""] * len(self.columns)
        return [(name, not isinstance(cell, str)) for name, cell in zip(self.columns, cells, strict=True)]


@dataclass(frozen=True, slots=True)
class Report:
    """A report, with its slug and the parameters that it takes."""

    slug: str
    title: str
    text: str
    asks: frozenset[str]
    build: Callable[[ReportQuestion], ReportTable] = field(repr=False)


def _shown(cell: Cell) -> tuple[str, bool]:
    return (cell, False) if isinstance(cell, str) else (amount_text(*cell), True)


def _meter(code: str) -> str:
    return "Fees and other lines" if code == FEE else code


def _names(tenant_ids: Iterable[UUID]) -> Mapping[UUID, Tenant]:
    return Tenant.objects.only("name", "slug").in_bulk(set(tenant_ids))


def _total(rows: Iterable[tuple[str, Sequence[int]]], *, texts: int) -> list[list[Cell]]:
    """Return a row of sums for each currency, after as many texts as the table's rows begin with."""
    sums: dict[str, list[int]] = {}
    for currency, amounts in rows:
        so_far = sums.setdefault(currency, [0] * len(amounts))
        sums[currency] = [one + other for one, other in zip(so_far, amounts, strict=True)]
    blank: list[Cell] = [""] * (texts - 1)
    return [[currency, *blank, *((amount, currency) for amount in amounts)] for currency, amounts in sums.items()]


def _balances(asked: ReportQuestion) -> ReportTable:
    found = account_balances(at=asked.at, tenant_id=None if asked.tenant is None else asked.tenant.pk)
    return ReportTable(
        ("Currency", "Account", "Balance"),
        [(row.currency, row.account, (row.amount_minor, row.currency)) for row in found],
        _total(((row.currency, [row.amount_minor]) for row in found), texts=2),
    )


def _aged(asked: ReportQuestion) -> ReportTable:
    found = aged_receivables(at=asked.at)
    names = _names(row.tenant_id for row in found)
    amounts = [(row.currency, [*row.brackets.values(), row.total_minor, row.written_off_minor]) for row in found]
    return ReportTable(
        ("Currency", "Tenant", "Slug", *(bracket.capitalize() for bracket in AgeBracket), "Total", "Written off"),
        [
            (currency, names[row.tenant_id].name, names[row.tenant_id].slug, *((amount, currency) for amount in own))
            for row, (currency, own) in zip(found, amounts, strict=True)
        ],
        _total(amounts, texts=3),
    )


def _taxes(asked: ReportQuestion) -> ReportTable:
    found = taxes_of(first=asked.first, end=asked.end)
    return ReportTable(
        ("Currency", "Jurisdiction", "Category", "Tax", "Rate, %", "Base", "Tax due"),
        [
            (
                row.currency, row.jurisdiction or "none", row.category, row.name, row.percent,
                (row.base_minor, row.currency), (row.tax_minor, row.currency),
            )
            for row in found
        ],
        _total(((row.currency, [row.base_minor, row.tax_minor]) for row in found), texts=5),
    )  # fmt: skip


def _revenue(asked: ReportQuestion) -> ReportTable:
    found = revenue_of(first=asked.first, end=asked.end)
    return ReportTable(
        ("Currency", "Month of service", "Meter", "Earned"),
        [(row.currency, row.service_month, _meter(row.meter), (row.amount_minor, row.currency)) for row in found],
        _total(((row.currency, [row.amount_minor]) for row in found), texts=3),
    )


def _deferred(asked: ReportQuestion) -> ReportTable:
    found = deferred_fees(at=asked.at)
    return ReportTable(
        ("Currency", "Month of service", "Meter", "Deferred"),
        [
            (row.currency, f"{row.service_month:%Y-%m}", _meter(row.meter), (row.amount_minor, row.currency))
            for row in found
        ],
        _total(((row.currency, [row.amount_minor]) for row in found), texts=3),
    )


def _statement(asked: ReportQuestion) -> ReportTable:
    rows: list[Sequence[Cell]] = []
    for currency in [] if asked.tenant is None else currencies_of(asked.tenant.pk):
        assert asked.tenant is not None, "a statement is a tenant's"
        found = statement_of(tenant_id=asked.tenant.pk, currency=currency, first=asked.first, end=asked.end)
        nothing: Cell = (0, currency)
        opening: Cell = (found.opening_minor, currency)
        rows.append((currency, asked.first.isoformat(), "brought forward", "", nothing, opening))
        rows += [
            (
                currency, row.posted_on.isoformat(), row.kind.replace("_", " "), row.document,
                (row.amount_minor, currency), (row.balance_minor, currency),
            )
            for row in found.rows
        ]  # fmt: skip
    return ReportTable(("Currency", "Day", "What", "Document", "Amount", "Balance"), rows)


_DAY: Final = frozenset({"at"})
_PERIOD: Final = frozenset({"from", "to"})
_ALL: Final = (
    Report(
        "balances",
        "Balances of accounts",
        "What each account comes to at the end of a day, debit above 0. Together they are 0.",
        _DAY | {"tenant"},
        _balances,
    ),
    Report(
        "receivables",
        "Aged receivables",
        "What is owed on invoices at the end of a day, by the days since it fell due, and what is written off.",
        _DAY,
        _aged,
    ),
    Report(
        "taxes",
        "Taxes",
        "What was charged of each tax in months of posting, less what was taken back.",
        _PERIOD,
        _taxes,
    ),
    Report(
        "revenue",
        "Revenue",
        "What was earned in months of posting, by month of service and meter, without tax.",
        _PERIOD,
        _revenue,
    ),
    Report(
        "deferred",
        "Deferred fees",
        "What was invoiced in advance for months that have not begun at the end of a day.",
        _DAY,
        _deferred,
    ),
    Report(
        "statement",
        "Statement of account",
        "What a tenant was charged and what it paid; a balance below 0 is in its favour.",
        _PERIOD | {"tenant"},
        _statement,
    ),
)
REPORTS: Final[Mapping[str, Report]] = {report.slug: report for report in _ALL}
