"""Paths of the keys app's API, below /api/v1/."""

from django.urls import URLPattern, path

from accounts.keys.api.embed_tokens import EmbedTokensView
from accounts.keys.api.keys import KeyRotationView, KeysView, KeyView
from accounts.keys.api.leaked_keys import LeakedKeysView
from accounts.keys.api.oauth import TokenView

urlpatterns: list[URLPattern] = [
    path("keys", KeysView.as_view(), name="api-keys"),
    path("keys/<uuid:key_id>", KeyView.as_view(), name="api-key"),
    path("keys/<uuid:key_id>/rotate", KeyRotationView.as_view(), name="api-key-rotate"),
    path("embed-tokens", EmbedTokensView.as_view(), name="api-embed-tokens"),
    path("oauth/token", TokenView.as_view(), name="api-oauth-token"),
    path("leaked-keys", LeakedKeysView.as_view(), name="api-leaked-keys"),
]
