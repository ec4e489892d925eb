"""The statement of account: charges and payments with the balance after each, also as CSV."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from accounts.domain.roles import Capability
from billing.domain.money import to_major
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.selectors.statements import Statement, currencies_of, statement_of
from billing.selectors.issuer import issuers_day
from metering.api.csv_renderer import write_csv
from metering.domain.periods import YearMonth
from portal.access import Portal, SignedInRequest, tenant_page

WORDS: Final[Mapping[str, str]] = {
    EntryKind.INVOICE: "Invoice",
    EntryKind.VOID: "Invoice declared void",
    EntryKind.CREDIT_NOTE: "Credit note",
    EntryKind.PAYMENT: "Payment",
    EntryKind.REFUND: "Refund",
    EntryKind.ROUNDING: "Rounding",
    EntryKind.WRITE_OFF: "Written off",
    EntryKind.RECOVERY: "Write-off taken back",
}
COLUMNS: Final = ("currency", "day", "what", "document", "amount", "balance")


@tenant_page("invoices", Capability.MANAGE_BILLING)
def statement(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the account in each currency for a year, the oldest entry first; `format=csv` returns a file."""
    today = issuers_day(portal.as_of)
    year = _year(request.GET.get("year", ""), today)
    found = [
        statement_of(tenant_id=portal.tenant.pk, currency=currency, first=date(year, 1, 1), end=date(year + 1, 1, 1))
        for currency in currencies_of(portal.tenant.pk)
    ]
    if request.GET.get("format") == "csv":
        return _file(portal, found, year)
    created = portal.tenant.created_at.year
    context = {
        "portal": portal,
        "year": year,
        "years": range(today.year, min(created, year) - 1, -1),
        "statements": [(one, [(row, WORDS.get(row.kind, row.kind)) for row in one.rows]) for one in found],
    }
    return render(request, "portal/statement.html", context)


def _year(asked: str, today: date) -> int:
    """Return the requested year, or the current one."""
    month = YearMonth.parse(f"{asked}-01")
    return month.year if month is not None and month.year <= today.year else today.year


def _file(portal: Portal, found: list[Statement], year: int) -> HttpResponse:
    rows: list[list[object]] = []
    for one in found:
        opening, zero = to_major(one.opening_minor, one.currency), to_major(0, one.currency)
        rows.append([one.currency, one.first, "Brought forward", "", zero, opening])
        rows += [
            [
                one.currency, row.posted_on, WORDS.get(row.kind, row.kind), row.document,
                to_major(row.amount_minor, one.currency), to_major(row.balance_minor, one.currency),
            ]
            for row in one.rows
        ]  # fmt: skip
    response = HttpResponse(write_csv(COLUMNS, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{portal.tenant.slug}-statement-{year}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response
