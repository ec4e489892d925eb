"""Issued invoices and credit notes as their tenants see them. Tenants do not see drafts."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.domain.pages import Page, PageRequest
from accounts.errors import NotFoundError
from accounts.notices.models import OutboundMail
from accounts.selectors.pages import page_of
from billing.domain.invoicing.lines import LineDraft
from billing.domain.invoicing.taxes import TaxRow
from billing.domain.statuses import InvoiceStatus
from billing.models import (
    CreditNote,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceTax,
    Payment,
    PaymentAllocation,
    PaymentStatus,
)
from metering.domain.periods import Span

ISSUED_STATUSES: Final = tuple(status for status in InvoiceStatus if status is not InvoiceStatus.DRAFT)
_ID_MAX: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"[\x21-\x7e]{1,40}")


def issued_invoices(*, tenant_id: UUID) -> QuerySet[Invoice]:
    """Return the tenant's issued invoices with their credit notes and what they replace, the newest first."""
    issued: QuerySet[Invoice] = Invoice.objects.of_tenant(tenant_id).issued()
    return issued.select_related("credit_note", "replaces", "replaced_by").order_by("-finalized_at", "-pk")


def invoices_page(*, tenant_id: UUID, request: PageRequest, status: InvoiceStatus | None = None) -> Page[Invoice]:
    """Return a page of the tenant's issued invoices, of one status if it is given."""
    invoices = issued_invoices(tenant_id=tenant_id)
    if status is not None:
        invoices = invoices.filter(status=status)
    return page_of(invoices, request, instant_field="finalized_at", parse_id=UUID)


def issued_invoice(*, tenant_id: UUID, number: str) -> Invoice:
    """Return one of them. Raises `NotFoundError`, also for another tenant's invoice or an impossible number."""
    invoice = None
    if _NUMBER.fullmatch(number):
        invoice = issued_invoices(tenant_id=tenant_id).filter(number=number).first()
    if invoice is None:
        raise NotFoundError("No such invoice.")
    return invoice


def was_mailed(invoice: Invoice) -> bool:
    """Return whether a mail brings its PDF to the customer, or has brought it: it has left the house then."""
    mails = OutboundMail.objects.filter(tenant=invoice.tenant_id, attachment__documents=invoice.number)
    return bool(mails.exists())


def content_of(invoice: Invoice) -> Mapping[str, Any]:
    """Return the invoice's content as it was issued."""
    content: Mapping[str, Any] = InvoiceDocument.objects.values_list("content", flat=True).get(pk=invoice.pk)
    return content


def lines_of_invoice(invoice: Invoice) -> QuerySet[InvoiceLine]:
    """Return its lines as they were issued, in their order, with their meters and what they correct."""
    lines = InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision)
    return lines.select_related("meter", "adjusts__invoice").order_by("position")


def line_draft_of(line: InvoiceLine) -> LineDraft:
    """Return a stored line as the value that it was stored from."""
    return LineDraft(
        kind=line.kind,
        description=line.description,
        period=Span(line.period_start, line.period_end),
        quantity=line.quantity,
        amount_minor=line.amount_minor,
        explanation=line.explanation,
        plan_version_id=line.plan_version_id,
        price_id=line.price_id,
        meter_id=line.meter_id,
        adjusts_id=line.adjusts_id,
        unit=line.unit,
        events=line.events,
        tax=line.tax,
        supplied_on=line.supplied_on,
    )


def taxes_of_invoice(invoice: Invoice) -> list[TaxRow]:
    """Return its taxes, one row for each category and rate, in their order."""
    rows = InvoiceTax.objects.filter(invoice=invoice, revision=invoice.revision).order_by("position")
    return [TaxRow(row.tax, row.base_minor, row.tax_minor) for row in rows]


def own_currency_of(invoice: Invoice) -> dict[str, Any] | None:
    """Return the taxes in the seller's currency, as the document shows them; None if they are in it already."""
    content = InvoiceDocument.objects.filter(invoice=invoice).values_list("content", flat=True).first() or {}
    own: dict[str, Any] | None = content.get("issuer_currency")
    return own


def payments_of(invoice: Invoice) -> QuerySet[Payment]:
    """Return all attempts to pay it and payments that pay some of it, newest first, each with what it pays."""
    of_it = PaymentAllocation.objects.filter(payment=OuterRef("pk"), invoice=invoice).order_by()
    paid = of_it.values("payment").annotate(sum=Sum("amount_minor")).values("sum")
    found = Payment.objects.filter(Q(invoice=invoice) | Q(Exists(of_it)))
    found = found.annotate(pays_minor=Coalesce(Subquery(paid), 0)).prefetch_related("refunds", "disputes")
    return found.order_by("-occurred_at", "-pk")


def received_payments(*, tenant_id: UUID) -> QuerySet[Payment]:
    """Return the payments of a tenant that came in, the newest first; failed attempts are left out."""
    came = Payment.objects.filter(tenant=tenant_id).exclude(status=PaymentStatus.FAILED)
    return came.select_related("tenant").prefetch_related("refunds", "disputes").order_by("-occurred_at", "-pk")


def payments_page(*, tenant_id: UUID, request: PageRequest) -> Page[Payment]:
    """Return the same by pages."""
    return page_of(received_payments(tenant_id=tenant_id), request, instant_field="occurred_at")


def received_payment(*, tenant_id: UUID, payment_id: int) -> Payment:
    """Return one of them. Raises `NotFoundError`, also for another tenant's."""
    payment = None
    if payment_id <= _ID_MAX:
        payment = received_payments(tenant_id=tenant_id).filter(pk=payment_id).first()
    if payment is None:
        raise NotFoundError("No such payment.")
    return payment


def credit_notes_page(*, tenant_id: UUID, request: PageRequest) -> Page[CreditNote]:
    """Return a page of the tenant's credit notes, the newest first."""
    notes = CreditNote.objects.filter(tenant_id=tenant_id).select_related("invoice", "part_of")
    return page_of(notes, request, instant_field="issued_at", parse_id=UUID)
