"""Paths of the accounts app's API, below /api/v1/."""

from django.urls import URLPattern, path

from accounts.api.operator import OperatorTenantsView, OperatorTenantView

urlpatterns: list[URLPattern] = [
    path("operator/tenants", OperatorTenantsView.as_view(), name="api-operator-tenants"),
    path("operator/tenants/<slug:slug>", OperatorTenantView.as_view(), name="api-operator-tenant"),
]
