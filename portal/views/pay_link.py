"""The page of one invoice for whoever has its link: the amount, and the way to the payment page, without signing in.

It shows the seller, the number, the amount and the due date of this invoice, and nothing else of the tenant.
"""

from datetime import datetime
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.api.request_facts import address_of
from accounts.domain.reach import Reach, reaching
from accounts.errors import ConflictError
from billing.collection.errors import PaymentProviderError
from billing.collection.selectors.providers import provider_title_for
from billing.collection.services.collecting import payment_link
from billing.domain.statuses import InvoiceStatus
from billing.dunning.errors import PaymentLinkError
from billing.dunning.selectors.links import read_payment_token
from billing.models import BillingProfile, Invoice, Issuer
from billing.rendering.services.language import IN_ENGLISH, Language, language_named
from portal.online_payment import RETRY_AFTER, send_visitor_on
from portal.rate_limit import Rate, is_too_often
from portal.transfers import reference_of, transfer_code_of

NOT_FOUND: Final = 404
GONE: Final = 410
TOO_MANY: Final = 429
# Looking at the page is cheap; opening the payment page calls the provider.
LOOKS: Final = Rate("payment link look", 60, 60)
PAYS: Final = Rate("payment link pay", 10, 60)
PAYS_OF_INVOICE: Final = Rate("payment link invoice", 20, 3600)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pay_link(request: HttpRequest, token: str) -> HttpResponse:
    """Render the page of a link, or send the browser to the provider's page for paying the invoice."""
    as_of = timezone.now()
    address = address_of(request)
    if is_too_often(PAYS if request.method == "POST" else LOOKS, address, as_of=as_of):
        return _problem(request, "too_often", TOO_MANY)
    try:
        link = read_payment_token(token)
    except PaymentLinkError:
        return _problem(request, "invalid", NOT_FOUND)
    if link.is_expired(as_of):
        return _problem(request, "expired", GONE)
    with reaching(Reach(link.tenant_id)):
        rows = Invoice.objects.of_tenant(link.tenant_id).issued()
        invoice = rows.select_related("tenant").filter(pk=link.invoice_id).first()
        if invoice is None:
            return _problem(request, "invalid", NOT_FOUND)
        if request.method == "POST":
            return _pay(request, invoice, token, as_of)
        return _page(request, invoice)


def _pay(request: HttpRequest, invoice: Invoice, token: str, as_of: datetime) -> HttpResponse:
    if is_too_often(PAYS_OF_INVOICE, str(invoice.pk), as_of=as_of):
        return _problem(request, "too_often", TOO_MANY)
    try:
        url = payment_link(invoice_id=invoice.pk, as_of=as_of)
    except ConflictError:
        invoice.refresh_from_db()
        return _page(request, invoice)  # it was settled just now, or cannot be paid online
    except PaymentProviderError as error:
        response = _page(request, invoice, is_down=True, status=error.status)
        response["Retry-After"] = error.headers.get("Retry-After", RETRY_AFTER)
        return response
    back = reverse("portal:pay_link", args=[token])
    return send_visitor_on(request, url, provider=provider_title_for(invoice.tenant_id), back=back)


def _language_of(invoice: Invoice) -> Language:
    code = BillingProfile.objects.filter(pk=invoice.tenant_id).values_list("language", flat=True).first()
    return language_named(code) if code else IN_ENGLISH


def _page(request: HttpRequest, invoice: Invoice, *, is_down: bool = False, status: int = 200) -> HttpResponse:
    """Render the invoice's number, amount and due date in the customer's language, and the button if it is owed."""
    assert invoice.due_on is not None, "it is issued"
    issuer, language = Issuer.objects.get(pk=1), _language_of(invoice)
    say = language.say
    is_owed = invoice.status in {InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE} and invoice.amount_due_minor > 0
    is_online = is_owed and invoice.status == InvoiceStatus.FINALIZED and bool(provider_title_for(invoice.tenant_id))
    context = {
        "language": language.code,
        "issuer": issuer,
        "number": invoice.number,
        "title": say("Invoice {number}", number=str(invoice.number)),
        "amount": language.money(invoice.amount_due_minor if is_owed else invoice.total_minor, invoice.currency),
        "due": say("Due on {day}", day=language.day(invoice.due_on.isoformat())),
        "billed_to": say("Billed to {name}", name=invoice.tenant.legal_name or invoice.tenant.name),
        "is_paid": invoice.status == InvoiceStatus.PAID,
        "paid": say("Paid, thank you."),
        "is_owed": is_owed,
        "nothing": say("There is nothing to pay."),
        "is_online": is_online,
        "pay": say("Pay now"),
        "is_down": is_down,
        "down": say("The payment page cannot be opened at the moment. Please try again in a few minutes."),
        "account": say("For a transfer: {account}", account=" ".join(issuer.bank_account.split())),
        "reference": say("Reference of the transfer: {reference}", reference=reference_of(invoice)),
        "code": transfer_code_of(invoice, issuer) if is_owed else "",
        "scan": say("Scan this code with your banking app."),
        "contact": say("Questions: {email}", email=issuer.email) if issuer.email else "",
    }
    return render(request, "portal/pay_link.html", context, status=status)


def _problem(request: HttpRequest, problem: str, status: int) -> HttpResponse:
    response = render(request, "portal/pay_link_problem.html", {"problem": problem}, status=status)
    if status == TOO_MANY:
        response["Retry-After"] = RETRY_AFTER
    return response
