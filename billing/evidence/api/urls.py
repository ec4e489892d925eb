"""The path of evidence, below `/api/v1/`."""

from django.urls import URLPattern, path

from billing.evidence.api.evidence import EvidenceView

urlpatterns: list[URLPattern] = [
    path("invoices/<str:number>/evidence", EvidenceView.as_view(), name="api-invoice-evidence"),
]
