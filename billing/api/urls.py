"""The API's addresses of billing, below `/api/v1/`."""

from django.urls import URLPattern, path

from billing.api.credit_notes import CreditNotesView
from billing.api.invoices import InvoicePdfView, InvoicesView, InvoiceView, LineEventsView
from billing.api.operator_invoices import OperatorInvoicesView
from billing.api.payments import PaymentsView, ReceiptPdfView
from billing.api.plans import PlansView
from billing.api.subscriptions import PreviewView, SubscriptionView

urlpatterns: list[URLPattern] = [
    path("plans", PlansView.as_view(), name="api-plans"),
    path("subscription", SubscriptionView.as_view(), name="api-subscription"),
    path("subscription/preview", PreviewView.as_view(), name="api-subscription-preview"),
    path("invoices", InvoicesView.as_view(), name="api-invoices"),
    path("invoices/<str:number>", InvoiceView.as_view(), name="api-invoice"),
    path("invoices/<str:number>/pdf", InvoicePdfView.as_view(), name="api-invoice-pdf"),
    path("invoices/<str:number>/lines/<int:position>/events", LineEventsView.as_view(), name="api-invoice-line-events"),
    path("payments", PaymentsView.as_view(), name="api-payments"),
    path("payments/<int:payment_id>/receipt", ReceiptPdfView.as_view(), name="api-receipt"),
    path("credit-notes", CreditNotesView.as_view(), name="api-credit-notes"),
    path("operator/invoices", OperatorInvoicesView.as_view(), name="api-operator-invoices"),
]
