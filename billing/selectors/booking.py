"""Documents as the ledger of accounts records them, read from their rows in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from django.db.models import F, Q

from billing.domain.booking import IssuedInvoice, LineToBook, booked_document, days_booked
from billing.ledger.domain.entries import TaxSum
from billing.models import Invoice, InvoiceLine, InvoiceTax


def issued_invoices(invoices: Sequence[Invoice]) -> list[IssuedInvoice]:
    """Return finalized invoices, which come with their subscriptions, as they were issued."""
    of_invoices = Q(invoice__in=[invoice.pk for invoice in invoices], revision=F("invoice__revision"))
    lines: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in InvoiceLine.objects.filter(of_invoices).select_related("meter"):
        lines[line.invoice_id].append(line)
    taxes: dict[UUID, list[InvoiceTax]] = defaultdict(list)
    for tax in InvoiceTax.objects.filter(of_invoices):
        taxes[tax.invoice_id].append(tax)
    return [_issued(invoice, lines[invoice.pk], taxes[invoice.pk]) for invoice in invoices]


def _issued(invoice: Invoice, lines: Sequence[InvoiceLine], taxes: Sequence[InvoiceTax]) -> IssuedInvoice:
    assert invoice.number is not None, "it is finalized"
    assert invoice.issued_on is not None, "it is finalized"
    assert invoice.finalized_at is not None, "it is finalized"
    document = booked_document(
        number=invoice.number,
        due_on=invoice.due_on,
        lines=[_to_book(line, invoice.subscription.time_zone) for line in lines],
        taxes=[
            TaxSum(row.jurisdiction, row.category, row.name, row.percent, row.base_minor, row.tax_minor)
            for row in taxes
        ],
        total_minor=invoice.total_minor,
    )
    return IssuedInvoice(
        invoice.pk, invoice.tenant_id, invoice.currency, invoice.issued_on, invoice.finalized_at, document
    )


def lines_to_book(lines: Iterable[InvoiceLine], time_zone: str, amounts: Mapping[int, int]) -> list[LineToBook]:
    """Return lines, which come with their meters, as what is booked of them, by position."""
    return [replace(_to_book(line, time_zone), amount_minor=amounts[line.position]) for line in lines]


def _to_book(line: InvoiceLine, time_zone: str) -> LineToBook:
    first, last = days_booked(line.period_start, line.period_end, time_zone)
    return LineToBook(line.kind, "" if line.meter is None else line.meter.code, first, last, line.amount_minor)
