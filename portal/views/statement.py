"""The statement of account: charges and payments with the balance after each, also as CSV and PDF."""

from datetime import date, timedelta
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from accounts.domain.roles import Capability
from billing.domain.money import to_major
from billing.domain.papers import entry_words
from billing.ledger.selectors.statements import Statement, currencies_of, statement_of
from billing.selectors.issuer import issuers_day
from billing.services.documents.papers import statement_pdf
from metering.api.csv_renderer import write_csv
from metering.domain.periods import YearMonth
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.statement import SpanForm

COLUMNS: Final = ("currency", "day", "what", "document", "amount", "balance")


@tenant_page("invoices", Capability.MANAGE_BILLING)
def statement(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the account in each currency for a year or for days, the oldest entry first; `format` asks for a file."""
    today = issuers_day(portal.as_of)
    year = _year(request.GET.get("year", ""), today)
    first, last = date(year, 1, 1), date(year, 12, 31)
    asked = SpanForm(request.GET)
    if asked.is_valid() and asked.cleaned_data["start"] and asked.cleaned_data["end"]:
        first, last = asked.cleaned_data["start"], asked.cleaned_data["end"]
    found = [
        statement_of(tenant_id=portal.tenant.pk, currency=currency, first=first, end=last + timedelta(days=1))
        for currency in currencies_of(portal.tenant.pk)
    ]
    is_year = (first, last) == (date(year, 1, 1), date(year, 12, 31))
    name = f"{portal.tenant.slug}-statement-{year if is_year else f'{first}-{last}'}"
    if request.GET.get("format") == "csv":
        return _file(write_csv(COLUMNS, _rows(found)), "text/csv; charset=utf-8", f"{name}.csv")
    if request.GET.get("format") == "pdf" and found:
        pdf = statement_pdf(tenant=portal.tenant, statements=found, as_of=portal.as_of)
        return _file(pdf, "application/pdf", f"{name}.pdf")
    created = portal.tenant.created_at.year
    context = {
        "portal": portal,
        "year": year,
        "is_year": is_year,
        "first": first,
        "last": last,
        "asked": asked if asked.errors else SpanForm(initial={"start": first, "end": last}),
        "years": range(today.year, min(created, year) - 1, -1),
        "statements": [(one, [(row, entry_words(row.kind)) for row in one.rows]) for one in found],
    }
    return render(request, "portal/statement.html", context)


def _year(asked: str, today: date) -> int:
    """Return the requested year, or the current one."""
    month = YearMonth.parse(f"{asked}-01")
    return month.year if month is not None and month.year <= today.year else today.year


def _rows(found: list[Statement]) -> list[list[object]]:
    rows: list[list[object]] = []
    for one in found:
        opening, zero = to_major(one.opening_minor, one.currency), to_major(0, one.currency)
        rows.append([one.currency, one.first, "Brought forward", "", zero, opening])
        rows += [
            [
                one.currency, row.posted_on, entry_words(row.kind), row.document,
                to_major(row.amount_minor, one.currency), to_major(row.balance_minor, one.currency),
            ]
            for row in one.rows
        ]  # fmt: skip
    return rows


def _file(content: bytes | str, media_type: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type=media_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
