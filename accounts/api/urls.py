"""Paths of the accounts app's API, below /api/v1/."""

from django.urls import URLPattern, path

from accounts.api.keys import KeyRotationView, KeysView, KeyView

urlpatterns: list[URLPattern] = [
    path("keys", KeysView.as_view(), name="api-keys"),
    path("keys/<uuid:key_id>", KeyView.as_view(), name="api-key"),
    path("keys/<uuid:key_id>/rotate", KeyRotationView.as_view(), name="api-key-rotate"),
]
