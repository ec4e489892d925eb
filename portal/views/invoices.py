"""The pages of invoices: issued ones, upcoming ones, the computation of each line, and payment.

For members who manage billing.
"""

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.domain.pages import InvalidCursorError, Page, PageRequest, read_cursor, write_cursor
from accounts.domain.roles import Capability
from accounts.errors import ConflictError
from accounts.selectors.directory import SERVICE_KEY, key_labels
from billing.collection.errors import PaymentProviderError
from billing.collection.services.collecting import payment_link
from billing.desk.selectors.line_questions import invoices_in_question, questions_by_line
from billing.domain.statuses import INVOICE_TRANSITIONS, InvoiceStatus, statuses_before
from billing.models import CreditNote, DocumentFile, Invoice, InvoiceHold, Issuer
from billing.selectors.invoicing.found_invoices import InvoiceFilter, sums_by_currency
from billing.selectors.invoicing.invoices import (
    content_of,
    issued_invoice,
    lines_of_invoice,
    payments_of,
    taxes_of_invoice,
)
from billing.selectors.invoicing.line_events import events_behind, line_at
from billing.selectors.write_offs import written_off_minor
from metering.errors import EventsDeletedError, QueryTooLargeError
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.invoices import InvoicesForm
from portal.invoice_lines import lines_ahead, lines_of
from portal.money_ahead import money_ahead
from portal.online_payment import online_provider, provider_down, send_on
from portal.transfers import reference_of, transfer_code_of
from portal.views.invoice_files import found
from portal.views.plan import zone_of

ROWS_ON_A_PAGE: Final = 25
EVENTS_ON_A_PAGE: Final = 50
POSITION_MAX: Final = 10**6
PAYABLE: Final = statuses_before(INVOICE_TRANSITIONS, InvoiceStatus.PAID)


@tenant_page("invoices", Capability.MANAGE_BILLING)
def invoices(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the issued invoices that a filter finds, the newest first, below the drafts and the next invoice."""
    form = InvoicesForm(request.GET)
    wanted = found(form, portal)
    page = Paginator(wanted, ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    subscription = portal.standing.subscription
    is_first = page.number == 1 and form.filter == InvoiceFilter()
    drafts = Invoice.objects.of_tenant(portal.tenant.pk).filter(status=InvoiceStatus.DRAFT)
    context = {
        "portal": portal,
        "page": page,
        "form": form,
        "is_filtered": form.filter != InvoiceFilter(),
        "question": _question(request),
        "sums": sums_by_currency(wanted),
        "in_question": invoices_in_question([invoice.pk for invoice in page.object_list]),
        "overdue": {invoice.pk for invoice in portal.standing.owing},
        "drafts": list(drafts) if is_first else [],
        "ahead": money_ahead(subscription, portal.as_of) if subscription is not None and is_first else None,
    }
    with timezone.override(zone_of(portal, subscription)):
        return render(request, "portal/invoices.html", context)


@tenant_page("invoices", Capability.MANAGE_BILLING)
def invoice_ahead(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the next invoice with usage until now."""
    subscription = portal.standing.subscription
    ahead = None if subscription is None else money_ahead(subscription, portal.as_of)
    context = {
        "portal": portal,
        "ahead": ahead,
        "lines": [] if ahead is None else lines_ahead(ahead.now),
        "lines_projected": [] if ahead is None else lines_ahead(ahead.projected),
        "currency": "" if subscription is None else subscription.currency,
    }
    with timezone.override(zone_of(portal, subscription)):
        return render(request, "portal/invoice_next.html", context)


@tenant_page("invoices", Capability.MANAGE_BILLING)
def invoice(request: SignedInRequest, portal: Portal, number: str) -> HttpResponse:
    """Render one invoice with the computation of its total."""
    found = _invoice(portal, number)
    credit_note = _credit_note(found)
    parts = list(found.credit_notes_in_part.order_by("issued_at", "pk"))
    notes = [*parts, credit_note] if credit_note is not None else parts
    numbers = [number, *(note.number for note in notes)]
    files = set(DocumentFile.objects.filter(pk__in=numbers).values_list("pk", flat=True))
    content = content_of(found)
    context = {
        "portal": portal,
        "invoice": found,
        "lines": lines_of(lines_of_invoice(found), found.currency, questions_by_line(found)),
        "may_ask": found.status != InvoiceStatus.VOID,
        "taxes": taxes_of_invoice(found),
        "own_currency": content.get("issuer_currency"),
        "payments": list(payments_of(found)),
        "written_off_minor": written_off_minor(found),
        "set_off_minor": sum(found.set_offs.values_list("amount_minor", flat=True)),
        "credit_note": credit_note,
        "parts": parts,
        "files": files,
        "replaced_by": getattr(found, "replaced_by", None),
        "has_pdf": number in files,
        "has_credit_note_pdf": credit_note is not None and credit_note.number in files,
        "is_overdue": found.pk in {owing.pk for owing in portal.standing.owing},
        "is_payable": _is_payable(found),
        "hold": InvoiceHold.objects.filter(invoice=found).first(),
        "customer": content["customer"],
        "provider": online_provider(portal),
    }
    with timezone.override(ZoneInfo(found.subscription.time_zone)):
        return render(request, "portal/invoice.html", context | _transfer_of(found, content))


@tenant_page("invoices", Capability.MANAGE_BILLING)
def invoice_pdf(_request: SignedInRequest, portal: Portal, number: str) -> HttpResponse:
    """Return the PDF that was stored when the invoice was issued."""
    _invoice(portal, number)
    return _pdf(number)


@tenant_page("invoices", Capability.MANAGE_BILLING)
def credit_note_pdf(_request: SignedInRequest, portal: Portal, number: str) -> HttpResponse:
    """Return the PDF of the credit note of an invoice."""
    credit_note = _credit_note(_invoice(portal, number))
    if credit_note is None:
        raise Http404
    return _pdf(credit_note.number)


@tenant_page("invoices", Capability.MANAGE_BILLING)
def credit_note_in_part_pdf(_request: SignedInRequest, portal: Portal, number: str, note: str) -> HttpResponse:
    """Return the PDF of a credit note over an invoice, or over some of it."""
    found = _invoice(portal, number)
    of_invoice = Q(invoice=found) | Q(part_of=found)
    if not CreditNote.objects.filter(of_invoice, number=note).exists():
        raise Http404
    return _pdf(note)


@tenant_page("invoices", Capability.MANAGE_BILLING)
def line_events(request: SignedInRequest, portal: Portal, number: str, position: int) -> HttpResponse:
    """Render a page of the events that a line was computed from."""
    found = _invoice(portal, number)
    if position > POSITION_MAX:
        raise Http404
    line = line_at(invoice=found, position=position)
    refusal = ""
    try:
        events = events_behind(line=line, page=_wanted_page(request.GET.get("cursor", "")))
    except InvalidCursorError as error:
        raise Http404 from error
    except (EventsDeletedError, QueryTooLargeError) as error:
        events, refusal = Page((), None, None), error.detail
    labels = key_labels(tenant_id=portal.tenant.pk)
    context = {
        "portal": portal,
        "invoice": found,
        "line": line,
        "rows": [(row, labels.get(row.api_key_id, SERVICE_KEY) if row.api_key_id else "") for row in events.rows],
        "refusal": refusal,
        "may_ask": found.status != InvoiceStatus.VOID,
        "is_first_page": not request.GET.get("cursor"),
        "next_cursor": None if events.next is None else write_cursor(events.next),
    }
    with timezone.override(ZoneInfo(found.subscription.time_zone)):
        return render(request, "portal/line_events.html", context)


def _wanted_page(cursor: str) -> PageRequest:
    """Return the page that a cursor names; the first one without a cursor. Raises `InvalidCursorError`."""
    return read_cursor(cursor, rows_max=EVENTS_ON_A_PAGE) if cursor else PageRequest(EVENTS_ON_A_PAGE)


@tenant_page("invoices", Capability.MANAGE_BILLING, methods=("GET", "HEAD", "POST"), recent=("POST",))
def invoice_pay(request: SignedInRequest, portal: Portal, number: str) -> HttpResponse:
    """Send the browser to the provider's page for paying this invoice."""
    found = _invoice(portal, number)
    back = reverse("portal:invoice", args=[portal.tenant.slug, number])
    if request.method == "POST" and online_provider(portal):
        try:
            url = payment_link(invoice_id=found.pk, as_of=portal.as_of)
        except ConflictError as error:
            messages.warning(request, error.detail)
            return redirect(back)
        except PaymentProviderError as error:
            return provider_down(request, portal, error, back=back, what="The payment page could not be opened.")
        return send_on(request, portal, url, back=back)
    context = {
        "portal": portal,
        "invoice": found,
        "back": back,
        "is_payable": _is_payable(found),
        "provider": online_provider(portal),
    }
    return render(request, "portal/invoice_pay.html", context)


def _question(request: SignedInRequest) -> str:
    """Return the filter of the address without its page, as the end of an address."""
    asked = request.GET.copy()
    asked.pop("page", None)
    return f"?{asked.urlencode()}" if asked else ""


def _invoice(portal: Portal, number: str) -> Invoice:
    return issued_invoice(tenant_id=portal.tenant.pk, number=number)


def _credit_note(found: Invoice) -> CreditNote | None:
    """Return the credit note of the invoice, if it has one."""
    return found.credit_note if hasattr(found, "credit_note") else None


def _is_payable(found: Invoice) -> bool:
    return found.status in PAYABLE and found.amount_due_minor > 0


def _transfer_of(found: Invoice, content: Mapping[str, Any]) -> dict[str, object]:
    """Return how to pay an invoice by transfer, unless a card is charged or nothing is due."""
    issuer = Issuer.objects.get(pk=1)
    if not _is_payable(found) or not issuer.bank_account or content.get("merchant"):
        return {}
    return {
        "bank_account": issuer.bank_account,
        "reference": reference_of(found),
        "transfer_code": transfer_code_of(found, issuer),
    }


def _pdf(number: str) -> HttpResponse:
    document = DocumentFile.objects.select_related("file").filter(pk=number).first()
    if document is None:
        raise Http404
    response = HttpResponse(bytes(document.file.content), content_type=document.file.media_type)
    response["Content-Disposition"] = f'attachment; filename="{number}.pdf"'
    return response
