"""Payments that came in, each with its receipt. For those who manage the tenant's money."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from accounts.domain.roles import Capability
from billing.selectors.invoicing.invoices import received_payment, received_payments
from billing.services.documents.papers import receipt_pdf
from portal.access import Portal, SignedInRequest, tenant_page

ROWS_ON_A_PAGE = 25


@tenant_page("invoices", Capability.MANAGE_BILLING)
def payments(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """List what came in, the newest first, with what of it pays invoices."""
    page = Paginator(received_payments(tenant_id=portal.tenant.pk), ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "portal/payments.html", {"portal": portal, "page": page})


@tenant_page("invoices", Capability.MANAGE_BILLING)
def receipt(_request: SignedInRequest, portal: Portal, payment_id: int) -> HttpResponse:
    """Return the receipt as the payment stands now."""
    payment = received_payment(tenant_id=portal.tenant.pk, payment_id=payment_id)
    response = HttpResponse(receipt_pdf(payment=payment, as_of=portal.as_of), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="receipt-{payment.pk}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response
