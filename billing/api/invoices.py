"""`/invoices`: issued invoices, the events behind each line, and the PDF."""

from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.renderers import ExactJSONRenderer
from accounts.api.schema import TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from accounts.errors import FieldError, InvalidFieldsError
from billing.api.presentation import BillingSpanSchema, LineTaxSchema
from billing.domain.documents import tax_content, taxes_content
from billing.domain.happenings import span_body
from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxCategory, TaxTreatment
from billing.models import Invoice, InvoiceLine, LineKind, Payment, PaymentStatus
from billing.selectors.facts import facts_of_invoice, facts_of_payment
from billing.selectors.invoicing.invoices import (
    ISSUED_STATUSES,
    invoices_page,
    issued_invoice,
    lines_of_invoice,
    own_currency_of,
    payments_of,
    taxes_of_invoice,
)
from billing.selectors.invoicing.line_events import events_behind, line_at
from billing.services.documents.deliveries import PDF, invoice_pdf
from metering.api.events import event_body
from metering.api.events_schema import LINE_EVENT_PAGE
from metering.domain.periods import Span

NUMBER_PARAMETER = OpenApiParameter(
    "number", str, OpenApiParameter.PATH, description="The invoice number, as in INV-2026-000042."
)
POSITION_PARAMETER = OpenApiParameter(
    "position", int, OpenApiParameter.PATH, description="The position of the line, counted from 1."
)
IF_NONE_MATCH_PARAMETER = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of the PDF that the client has stored."
)
ETAG_HEADER = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200, 304], description="The SHA-256 of the PDF, in quotes."
)
STATUS_PARAMETER = OpenApiParameter(
    "status",
    str,
    enum=[status.value for status in ISSUED_STATUSES],
    description="Return only invoices with this status.",
)
TAGS = ["Invoices"]


class InvoiceSchema(serializers.Serializer[Any]):
    """An issued invoice without its lines. Amounts are in the currency's minor unit."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in ISSUED_STATUSES])
    subscription = serializers.UUIDField()
    currency = serializers.CharField()
    period = BillingSpanSchema()
    subtotal_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    carried_minor = serializers.IntegerField(
        help_text="Credit: negative if it was deducted after tax, positive if it is kept for later invoices."
    )
    total_minor = serializers.IntegerField()
    amount_paid_minor = serializers.IntegerField(help_text="The amount that payments cover.")
    amount_due_minor = serializers.IntegerField(help_text="The amount still to be paid; 0 for a void invoice.")
    issued_on = serializers.DateField()
    due_on = serializers.DateField()
    finalized_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    voided_at = serializers.DateTimeField(allow_null=True)
    void_reason = serializers.CharField(allow_blank=True)
    payment_failed_at = serializers.DateTimeField(allow_null=True)
    payment_error = serializers.CharField(allow_blank=True)
    credit_note = serializers.CharField(
        allow_null=True, help_text="The number of the credit note that reverses the invoice; null if there is none."
    )
    replaces = serializers.CharField(
        allow_null=True, help_text="The number of the invoice that this one replaces; null if it replaces none."
    )
    replaced_by = serializers.CharField(
        allow_null=True, help_text="The number of the invoice that replaces this one; null if it was not replaced."
    )
    merchant_of_record = serializers.CharField(
        allow_null=True,
        help_text="The company that sold in its own name: its receipt is the tax document, this a usage statement. "
        "Null for an invoice.",
    )


class InvoicePageSchema(serializers.Serializer[Any]):
    """A page of invoices."""

    data = InvoiceSchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class InvoiceLineSchema(serializers.Serializer[Any]):
    """A line of an invoice."""

    position = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=LineKind.values)
    description = serializers.CharField()
    period = BillingSpanSchema()
    meter = serializers.CharField(allow_null=True)
    quantity = serializers.DecimalField(max_digits=38, decimal_places=9)
    unit = serializers.CharField(allow_blank=True)
    events = serializers.IntegerField(
        allow_null=True, help_text="The number of events in the quantity; null for a fee."
    )
    amount_minor = serializers.IntegerField()
    corrects = serializers.CharField(
        allow_null=True, help_text="The number of the invoice that this line corrects; null if it corrects none."
    )
    supplied_on = serializers.DateField(allow_null=True, help_text="The day of supply. It determines the tax.")
    tax = LineTaxSchema(allow_null=True, help_text="The tax on this line; null for a line that settles credit.")
    explanation = serializers.DictField(
        help_text="The steps from quantity to amount, described in docs/algorithms/rating.md."
    )


class InvoiceTaxSchema(serializers.Serializer[Any]):
    """One tax on the invoice. There is a row for each category and rate."""

    name = serializers.CharField()
    percent = serializers.DecimalField(max_digits=7, decimal_places=4)
    treatment = serializers.ChoiceField(choices=[treatment.value for treatment in TaxTreatment])
    note = serializers.CharField(allow_blank=True)
    category = serializers.ChoiceField(
        choices=[category.value for category in TaxCategory], help_text="The tax category, a code of UNCL 5305."
    )
    jurisdiction = serializers.CharField(allow_blank=True, help_text="The country that levies the tax.")
    base_minor = serializers.IntegerField()
    amount_minor = serializers.IntegerField()
    issuer_currency_amount_minor = serializers.IntegerField(
        allow_null=True,
        help_text="The tax in the seller's currency (`issuer_currency`); null if the invoice is in that currency.",
    )


class ExchangeRateSchema(serializers.Serializer[Any]):
    """The value of one unit of `per` in `currency`."""

    per = serializers.CharField()
    currency = serializers.CharField()
    rate = serializers.DecimalField(max_digits=20, decimal_places=10)


class IssuerCurrencySchema(serializers.Serializer[Any]):
    """The tax in the seller's currency."""

    currency = serializers.CharField()
    tax_minor = serializers.IntegerField()
    rates = ExchangeRateSchema(many=True, help_text="One rate, or two if the conversion goes through the euro.")
    day = serializers.DateField(help_text="The day of the rates.")
    source = serializers.CharField(help_text="The publisher of the rates.")  # type: ignore[assignment]  # a field of this name


class PaymentSchema(serializers.Serializer[Any]):
    """A payment or a failed attempt. `unmatched` is a payment that matched no open invoice; staff assign it."""

    status = serializers.ChoiceField(choices=PaymentStatus.values)
    provider = serializers.CharField(
        help_text="The payment provider that took the payment, or `manual` for a bank transfer."
    )
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    error = serializers.CharField(allow_blank=True)
    occurred_at = serializers.DateTimeField()
    pays_minor = serializers.IntegerField(help_text="The part of the payment that pays this invoice.")


class WholeInvoiceSchema(InvoiceSchema):
    """An invoice with its lines, taxes and payments."""

    lines = InvoiceLineSchema(many=True)
    taxes = InvoiceTaxSchema(many=True)
    issuer_currency = IssuerCurrencySchema(
        allow_null=True,
        help_text="The tax in the seller's currency; null if the invoice is in that currency or has no tax.",
    )
    payments = PaymentSchema(many=True)


class InvoicesView(ApiView):
    """`GET /invoices`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="list_invoices",
        tags=TAGS,
        summary="List invoices",
        parameters=[STATUS_PARAMETER, *PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: InvoicePageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the issued invoices, the newest first."""
        tenant, status = live_tenant_of(request), _status_of(request)
        return Response(
            read_page(request, lambda page: invoices_page(tenant_id=tenant.id, request=page, status=status), _invoice)
        )


class InvoiceView(ApiView):
    """`GET /invoices/{number}`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="retrieve_invoice",
        tags=TAGS,
        summary="Retrieve an invoice",
        parameters=[NUMBER_PARAMETER, TENANT_PARAMETER],
        responses={200: WholeInvoiceSchema, **problems(404, 422)},
    )
    def get(self, request: Request, number: str) -> Response:
        """Retrieve an invoice with its lines and their computation, its taxes and its payments."""
        invoice = issued_invoice(tenant_id=live_tenant_of(request).id, number=number)
        return Response(
            {
                **_invoice(invoice),
                "lines": [_line(line) for line in lines_of_invoice(invoice)],
                **_taxes(invoice),
                "payments": [_payment(payment) for payment in payments_of(invoice)],
            }
        )


class PdfRenderer(BaseRenderer):
    """Accept requests for PDF. The view responds with the stored bytes itself."""

    media_type = PDF
    format = "pdf"
    charset = None


class InvoicePdfView(ApiView):
    """`GET /invoices/{number}/pdf`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}
    renderer_classes = [PdfRenderer, ExactJSONRenderer]

    @extend_schema(
        operation_id="retrieve_invoice_pdf",
        tags=TAGS,
        summary="Retrieve an invoice as PDF",
        parameters=[NUMBER_PARAMETER, TENANT_PARAMETER, IF_NONE_MATCH_PARAMETER, ETAG_HEADER],
        responses={
            (200, PDF): OpenApiResponse(
                OpenApiTypes.BINARY, description="The PDF. It never changes: its ETag is its SHA-256."
            ),
            304: OpenApiResponse(description="Not modified: the ETag is the one in If-None-Match."),
            **problems(404, 422),
        },
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        """Retrieve the invoice as the PDF that was mailed."""
        invoice = issued_invoice(tenant_id=live_tenant_of(request).id, number=number)
        stored = invoice_pdf(invoice=invoice, as_of=timezone.now())
        etag = f'"{stored.sha256}"'
        wanted = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
        answer = (
            HttpResponse(status=304) if wanted & {etag, "*"} else HttpResponse(bytes(stored.content), content_type=PDF)
        )
        answer["ETag"] = etag
        answer["Cache-Control"] = "private, max-age=31536000, immutable"
        if answer.status_code != 304:  # noqa: PLR2004 - what HTTP calls it
            answer["Content-Disposition"] = f'attachment; filename="{invoice.number}.pdf"'
        return answer


class LineEventsView(ApiView):
    """`GET /invoices/{number}/lines/{position}/events`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="list_invoice_line_events",
        tags=TAGS,
        summary="List the events behind a line",
        parameters=[NUMBER_PARAMETER, POSITION_PARAMETER, *PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: LINE_EVENT_PAGE, **problems(404, 410, 422)},
    )
    def get(self, request: Request, number: str, position: int) -> Response:
        """List the events that a usage line was computed from, the newest first. 404 for a line without events."""
        invoice = issued_invoice(tenant_id=live_tenant_of(request).id, number=number)
        line = line_at(invoice=invoice, position=position)
        return Response(read_page(request, lambda page: events_behind(line=line, page=page), event_body))


def _status_of(request: Request) -> InvoiceStatus | None:
    named = request.query_params.get("status")
    if not named:
        return None
    if named not in ISSUED_STATUSES:
        refusal = FieldError("/status", "invalid_status", f"One of: {', '.join(ISSUED_STATUSES)}.")
        raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))
    return InvoiceStatus(named)


def _invoice(invoice: Invoice) -> dict[str, object]:
    return facts_of_invoice(invoice).as_body()


def _line(line: InvoiceLine) -> dict[str, object]:
    return {
        "position": line.position,
        "kind": line.kind,
        "description": line.description,
        "period": span_body(Span(line.period_start, line.period_end)),
        "meter": None if line.meter is None else line.meter.code,
        "quantity": line.quantity,
        "unit": line.unit,
        "events": line.events,
        "amount_minor": line.amount_minor,
        "corrects": None if line.adjusts is None else line.adjusts.invoice.number,
        "explanation": line.explanation,
        "supplied_on": line.supplied_on,
        "tax": tax_content(line.tax),
    }


def _payment(payment: Payment) -> dict[str, object]:
    return facts_of_payment(payment).as_body()


def _taxes(invoice: Invoice) -> dict[str, object]:
    """Return the taxes in the invoice's currency and in the seller's."""
    taxes, own = taxes_content(taxes_of_invoice(invoice)), own_currency_of(invoice)
    told = [None] * len(taxes) if own is None else own["taxes_minor"]
    shown = None if own is None else {name: own[name] for name in ("currency", "tax_minor", "rates", "day", "source")}
    return {
        "taxes": [
            row | {"issuer_currency_amount_minor": amount_minor} for row, amount_minor in zip(taxes, told, strict=True)
        ],
        "issuer_currency": shown,
    }
