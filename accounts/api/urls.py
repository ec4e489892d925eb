"""Paths of the accounts app's API, below /api/v1/."""

from django.urls import URLPattern, path

from accounts.api.keys import KeyRotationView, KeysView, KeyView
from accounts.api.operator import OperatorTenantsView, OperatorTenantView

urlpatterns: list[URLPattern] = [
    path("keys", KeysView.as_view(), name="api-keys"),
    path("keys/<uuid:key_id>", KeyView.as_view(), name="api-key"),
    path("keys/<uuid:key_id>/rotate", KeyRotationView.as_view(), name="api-key-rotate"),
    path("operator/tenants", OperatorTenantsView.as_view(), name="api-operator-tenants"),
    path("operator/tenants/<slug:slug>", OperatorTenantView.as_view(), name="api-operator-tenant"),
]
