"""`GET /payments`: payments received, with a receipt for each."""

from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.renderers import ExactJSONRenderer
from accounts.api.schema import TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from billing.api.invoices import PdfRenderer
from billing.models import DisputeState, Payment, RefundWay
from billing.selectors.invoicing.invoices import payments_page, received_payment
from billing.services.documents.deliveries import PDF
from billing.services.documents.papers import receipt_pdf

ID_PARAMETER = OpenApiParameter(
    "payment_id", int, OpenApiParameter.PATH, description="The payment's id, as in the list of payments."
)


class PaymentRefundSchema(serializers.Serializer[Any]):
    """Money of a payment that was given back; below 0 it came back, since it did not reach the customer."""

    way = serializers.ChoiceField(RefundWay.choices)
    reference = serializers.CharField(help_text="The provider's or the bank's reference; may be empty.")
    amount_minor = serializers.IntegerField()
    reason = serializers.CharField()
    occurred_at = serializers.DateTimeField()


class PaymentDisputeSchema(serializers.Serializer[Any]):
    """A cardholder's objection to a payment."""

    reference = serializers.CharField()
    state = serializers.ChoiceField(DisputeState.choices)
    amount_minor = serializers.IntegerField()
    occurred_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class ReceivedPaymentSchema(serializers.Serializer[Any]):
    """A payment that was received. Amounts are in the currency's minor unit."""

    id = serializers.IntegerField()
    provider = serializers.CharField(
        help_text="The payment provider that took the payment, or `manual` for a bank transfer."
    )
    reference = serializers.CharField(help_text="The reference that the payment provider or the bank uses.")
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    allocated_minor = serializers.IntegerField(help_text="The part that pays invoices.")
    refunded_minor = serializers.IntegerField(help_text="The part that was refunded.")
    unallocated_minor = serializers.IntegerField(help_text="The part that neither pays an invoice nor was refunded.")
    refunds = PaymentRefundSchema(many=True, help_text="What was given back, newest first.")
    disputes = PaymentDisputeSchema(many=True)
    occurred_at = serializers.DateTimeField()


class ReceivedPaymentPageSchema(serializers.Serializer[Any]):
    """A page of payments."""

    data = ReceivedPaymentSchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class PaymentsView(ApiView):
    """The list."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="list_payments",
        tags=["Payments"],
        summary="List payments",
        parameters=[*PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: ReceivedPaymentPageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the payments received, the newest first, including those that pay no invoice yet."""
        tenant = live_tenant_of(request)
        return Response(read_page(request, lambda page: payments_page(tenant_id=tenant.id, request=page), _payment))


class ReceiptPdfView(ApiView):
    """`GET /payments/{payment_id}/receipt`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}
    renderer_classes = [PdfRenderer, ExactJSONRenderer]

    @extend_schema(
        operation_id="retrieve_receipt_pdf",
        tags=["Payments"],
        summary="Retrieve a receipt as PDF",
        parameters=[ID_PARAMETER, TENANT_PARAMETER],
        responses={
            (200, PDF): OpenApiResponse(
                OpenApiTypes.BINARY,
                description="The receipt as PDF. It shows the payment's current state and is not a tax document.",
            ),
            **problems(404, 422),
        },
    )
    def get(self, request: Request, payment_id: int) -> HttpResponse:
        """Retrieve a receipt: the payment's number, day, method and amount, and the invoices that it pays."""
        payment = received_payment(tenant_id=live_tenant_of(request).id, payment_id=payment_id)
        answer = HttpResponse(receipt_pdf(payment=payment, as_of=timezone.now()), content_type=PDF)
        answer["Cache-Control"] = "private, no-store"
        answer["Content-Disposition"] = f'attachment; filename="receipt-{payment.pk}.pdf"'
        return answer


def _payment(payment: Payment) -> dict[str, object]:
    return {
        "id": payment.pk,
        "provider": payment.provider,
        "reference": payment.reference,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
        "allocated_minor": payment.allocated_minor,
        "refunded_minor": payment.refunded_minor,
        "unallocated_minor": payment.unallocated_minor,
        "refunds": [
            {
                "way": refund.way,
                "reference": refund.reference,
                "amount_minor": refund.amount_minor,
                "reason": refund.reason,
                "occurred_at": refund.occurred_at,
            }
            for refund in payment.refunds.all()
        ],
        "disputes": [
            {
                "reference": dispute.reference,
                "state": dispute.state,
                "amount_minor": dispute.amount_minor,
                "occurred_at": dispute.occurred_at,
                "closed_at": dispute.closed_at,
            }
            for dispute in payment.disputes.all()
        ],
        "occurred_at": payment.occurred_at,
    }
