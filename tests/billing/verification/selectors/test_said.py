"""What invoices say comes as the same values that the objects of the ORM would give."""

from dataclasses import fields

import pytest

from billing.domain.invoicing.lines import LineDraft
from billing.models import Invoice, InvoiceDocument
from billing.selectors.invoicing.invoices import line_draft_of, lines_of_invoice, taxes_of_invoice
from billing.verification.selectors.said import documents_of, lines_of, taxes_of
from tests.billing.world import MARCH, close_month, subscribe_tenant, use

pytestmark = pytest.mark.django_db


def test_lines_taxes_and_documents_are_those_that_are_stored() -> None:
    subscription = subscribe_tenant()
    use(subscription.tenant, 3, at=MARCH)
    close_month(subscription)
    invoices = list(Invoice.objects.issued().order_by("boundary"))
    lines, taxes, documents = lines_of(invoices), taxes_of(invoices), documents_of(invoices)

    for invoice in invoices:
        stored = list(lines_of_invoice(invoice))
        said = [LineDraft(*(getattr(line, one.name) for one in fields(LineDraft))) for line in lines[invoice.pk]]
        assert said == [line_draft_of(line) for line in stored]
        places = [(line.pk, line.invoice_id, line.position) for line in lines[invoice.pk]]
        assert places == [(line.pk, line.invoice_id, line.position) for line in stored]
        assert taxes[invoice.pk] == taxes_of_invoice(invoice)
        document = InvoiceDocument.objects.get(pk=invoice.pk)
        assert documents[invoice.pk].number == invoice.number
        assert documents[invoice.pk].content == document.content
        assert documents[invoice.pk].content_digest == document.content_digest
    assert {line.kind for invoice in invoices for line in lines[invoice.pk]} == {"usage", "recurring"}


def test_no_invoices_say_nothing() -> None:
    assert (lines_of([]), taxes_of([]), documents_of([])) == ({}, {}, {})
