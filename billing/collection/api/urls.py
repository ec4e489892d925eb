"""The addresses to which payment providers deliver: below their names, which never change."""

from django.urls import path

from billing.collection.api.webhooks import provider_webhook

urlpatterns = [
    path("<slug:provider>", provider_webhook, name="provider-webhook"),
    path("<slug:provider>/<str:address>", provider_webhook, name="provider-webhook-at"),
]
