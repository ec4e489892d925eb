"""Documents as the ledger of accounts is told of them, read from their rows in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from django.db.models import F

from billing.domain.booking import IssuedInvoice, LineToBook, booked_document, days_booked
from billing.domain.tax import TaxCategory, TaxTreatment
from billing.ledger.domain.entries import TaxSum
from billing.models import Invoice, InvoiceLine

_CATEGORIES: Final[Mapping[str, TaxCategory]] = {
    TaxTreatment.EXEMPT: TaxCategory.EXEMPT,
    TaxTreatment.REVERSE_CHARGE: TaxCategory.REVERSE_CHARGE,
}


def issued_invoices(invoices: Sequence[Invoice]) -> list[IssuedInvoice]:
    """Return finalized invoices, which come with subscription and document, as they were issued."""
    lines: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    rows = InvoiceLine.objects.filter(
        invoice__in=[invoice.pk for invoice in invoices], revision=F("invoice__revision")
    ).select_related("meter")
    for line in rows:
        lines[line.invoice_id].append(line)
    return [_issued(invoice, lines[invoice.pk]) for invoice in invoices]


def _issued(invoice: Invoice, lines: Sequence[InvoiceLine]) -> IssuedInvoice:
    assert invoice.number is not None, "it is finalized"
    assert invoice.issued_on is not None, "it is finalized"
    assert invoice.finalized_at is not None, "it is finalized"
    document = booked_document(
        number=invoice.number,
        due_on=invoice.due_on,
        lines=[_to_book(line, invoice.subscription.time_zone) for line in lines],
        taxes=[_tax_of_header(invoice)],
        total_minor=invoice.total_minor,
    )
    return IssuedInvoice(
        invoice.pk, invoice.tenant_id, invoice.currency, invoice.issued_on, invoice.finalized_at, document
    )


def _to_book(line: InvoiceLine, time_zone: str) -> LineToBook:
    first, last = days_booked(line.period_start, line.period_end, time_zone)
    return LineToBook(line.kind, "" if line.meter is None else line.meter.code, first, last, line.amount_minor)


def _tax_of_header(invoice: Invoice) -> TaxSum:
    """Return the one tax of an invoice; what its category and jurisdiction were is read from what it said."""
    standard = TaxCategory.STANDARD if invoice.tax_percent else TaxCategory.OUT_OF_SCOPE
    content = invoice.document.content
    return TaxSum(
        jurisdiction=content["customer"]["country"] or content["issuer"]["country"],
        category=_CATEGORIES.get(invoice.tax_treatment, standard),
        name=invoice.tax_name,
        percent=invoice.tax_percent,
        base_minor=invoice.subtotal_minor,
        tax_minor=invoice.tax_minor,
    )
