"""Paths of the webhooks app's API, below /api/v1/."""

from django.urls import URLPattern, path

from accounts.webhooks.api.deliveries import DeliveriesView, DeliveryReplayView, EndpointReplayView
from accounts.webhooks.api.endpoints import EndpointSecretView, EndpointsView, EndpointTestView, EndpointView

urlpatterns: list[URLPattern] = [
    path("webhook-endpoints", EndpointsView.as_view(), name="api-webhook-endpoints"),
    path("webhook-endpoints/<uuid:endpoint_id>", EndpointView.as_view(), name="api-webhook-endpoint"),
    path(
        "webhook-endpoints/<uuid:endpoint_id>/rotate-secret",
        EndpointSecretView.as_view(),
        name="api-webhook-rotate-secret",
    ),
    path("webhook-endpoints/<uuid:endpoint_id>/test", EndpointTestView.as_view(), name="api-webhook-test"),
    path("webhook-endpoints/<uuid:endpoint_id>/replay", EndpointReplayView.as_view(), name="api-webhook-replay-span"),
    path("webhook-deliveries", DeliveriesView.as_view(), name="api-webhook-deliveries"),
    path("webhook-deliveries/<uuid:delivery_id>/replay", DeliveryReplayView.as_view(), name="api-webhook-replay"),
]
