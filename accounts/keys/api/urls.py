"""Paths of the keys app's API, below /api/v1/."""

from django.urls import URLPattern, path

from accounts.keys.api.keys import KeyRotationView, KeysView, KeyView

urlpatterns: list[URLPattern] = [
    path("keys", KeysView.as_view(), name="api-keys"),
    path("keys/<uuid:key_id>", KeyView.as_view(), name="api-key"),
    path("keys/<uuid:key_id>/rotate", KeyRotationView.as_view(), name="api-key-rotate"),
]
