"""Issued invoices as files: a table as CSV, their PDFs as one archive, and the evidence of one."""

import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.domain.roles import Capability
from accounts.domain.zip_outlet import NO_TIME, ZipOutlet
from accounts.errors import NotFoundError
from billing.domain.money import to_major
from billing.evidence.api.evidence import evidence_response
from billing.evidence.domain.bundle import EventsShown
from billing.models import Invoice
from billing.selectors.invoicing.found_invoices import found_invoices, pdfs_of
from billing.selectors.invoicing.invoices import issued_invoice
from billing.selectors.issuer import issuers_day
from metering.api.csv_renderer import csv_lines
from metering.errors import EventsDeletedError, QueryTooLargeError
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.invoices import InvoicesForm

PDFS_MAX: Final = 200
COLUMNS: Final = (
    "number", "issued_on", "due_on", "status", "period_start", "period_end", "currency",
    "subtotal", "tax", "carried", "total", "paid", "credited", "due", "purchase_order",
)  # fmt: skip
_ROWS_AT_ONCE: Final = 500


@tenant_page("invoices", Capability.MANAGE_BILLING)
def invoices_csv(request: SignedInRequest, portal: Portal) -> StreamingHttpResponse:
    """Stream the invoices that the filter finds, the newest first."""
    rows = _rows(found(InvoicesForm(request.GET), portal).iterator(chunk_size=_ROWS_AT_ONCE))
    return _streamed(rows, portal, "text/csv; charset=utf-8", "csv")


@tenant_page("invoices", Capability.MANAGE_BILLING)
def invoices_zip(request: SignedInRequest, portal: Portal) -> HttpResponse | StreamingHttpResponse:
    """Stream the PDFs of the invoices that the filter finds; more than `PDFS_MAX` ask for a narrower filter."""
    wanted = found(InvoicesForm(request.GET), portal)
    numbers = [number for number in wanted.values_list("number", flat=True)[: PDFS_MAX + 1] if number]
    if len(numbers) > PDFS_MAX:
        messages.warning(request, f"At most {PDFS_MAX} PDFs fit in one archive. Choose fewer days, or a state.")
        address = reverse("portal:invoices", args=[portal.tenant.slug])
        return redirect(f"{address}?{request.GET.urlencode()}")
    return _streamed(_archive(pdfs_of(numbers)), portal, "application/zip", "zip")


@tenant_page("invoices", Capability.MANAGE_BILLING)
def invoice_evidence(request: SignedInRequest, portal: Portal, number: str) -> HttpResponse | StreamingHttpResponse:
    """Stream all that an invoice was computed from; `?events=hashes` leaves the contents of events out."""
    try:
        invoice = issued_invoice(tenant_id=portal.tenant.pk, number=number)
    except NotFoundError as error:
        raise Http404 from error
    shown = EventsShown.HASHES if request.GET.get("events") == EventsShown.HASHES else EventsShown.FULL
    try:
        return evidence_response(invoice, shown)
    except (EventsDeletedError, QueryTooLargeError) as error:
        messages.warning(request, error.detail)
        return redirect("portal:invoice", portal.tenant.slug, number)


def found(form: InvoicesForm, portal: Portal) -> QuerySet[Invoice]:
    """Return the tenant's invoices that a filter finds, the newest first."""
    return found_invoices(tenant_id=portal.tenant.pk, wanted=form.filter, today=issuers_day(portal.as_of))


def _rows(invoices: Iterable[Invoice]) -> Iterator[bytes]:
    yield csv_lines([COLUMNS])
    for one in invoices:
        period: list[datetime] = [one.period_start, one.period_end]
        amounts = (
            one.subtotal_minor, one.tax_minor, one.carried_minor, one.total_minor,
            one.amount_paid_minor, one.credited_minor, one.amount_due_minor,
        )  # fmt: skip
        major = [to_major(minor, one.currency) for minor in amounts]
        head = [one.number, one.issued_on, one.due_on, one.status]
        yield csv_lines([[*head, *period, one.currency, *major, one.purchase_order]])


def _archive(pdfs: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield the archive piece by piece. A PDF is compressed already, so it is only stored."""
    outlet = ZipOutlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for number, content in pdfs:
            archive.writestr(zipfile.ZipInfo(f"{number}.pdf", NO_TIME), content)
            yield outlet.taken()
    yield outlet.taken()


def _streamed(parts: Iterable[bytes], portal: Portal, media_type: str, ending: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(parts, content_type=media_type)
    name = f"{portal.tenant.slug}-invoices-{portal.as_of:%Y-%m-%d}.{ending}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
