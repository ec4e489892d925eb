"""The tables of the webhooks app."""

from accounts.webhooks.models.delivery import WebhookAttempt, WebhookDelivery
from accounts.webhooks.models.endpoint import WebhookEndpoint, WebhookSecret

__all__ = ["WebhookAttempt", "WebhookDelivery", "WebhookEndpoint", "WebhookSecret"]
