"""The JSON forms of endpoints and deliveries."""

from typing import Any

from rest_framework import serializers

from accounts.webhooks.domain.statuses import DeliveryStatus
from accounts.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from accounts.webhooks.selectors.deliveries import attempts_of


class AttemptSchema(serializers.Serializer[Any]):
    """One attempt to send a delivery."""

    at = serializers.DateTimeField()
    status_code = serializers.IntegerField(allow_null=True, help_text="Null: there was no response.")
    error = serializers.CharField(allow_null=True, help_text="Null: the receiver took it.")


class DeliverySchema(serializers.Serializer[Any]):
    """An event for an endpoint, with its attempts, the oldest first."""

    id = serializers.UUIDField()
    message_id = serializers.UUIDField(help_text="The header `webhook-id`: the same at every attempt and replay.")
    endpoint = serializers.UUIDField()
    event_type = serializers.CharField()
    sequence = serializers.IntegerField(help_text="Counts the endpoint's deliveries in the order of their events.")
    status = serializers.ChoiceField(choices=[one.value for one in DeliveryStatus])
    attempts = AttemptSchema(many=True)
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


def present_endpoint(endpoint: WebhookEndpoint) -> dict[str, object]:
    """Return the JSON form of an endpoint, without its secret."""
    return {
        "id": endpoint.pk,
        "url": endpoint.url,
        "event_types": list(endpoint.event_types),
        "description": endpoint.description,
        "status": endpoint.status,
        "disabled_because": endpoint.disabled_because or None,
        "failing_since": endpoint.failing_since,
        "created_at": endpoint.created_at,
    }


def present_delivery(delivery: WebhookDelivery) -> dict[str, object]:
    """Return the JSON form of a delivery, its attempts in their order."""
    return {
        "id": delivery.pk,
        "message_id": delivery.event_id,
        "endpoint": delivery.endpoint_id,
        "event_type": delivery.event_type,
        "sequence": delivery.sequence,
        "status": delivery.status,
        "attempts": [_present_attempt(attempt) for attempt in attempts_of(delivery)],
        "next_attempt_at": delivery.next_attempt_at,
        "created_at": delivery.created_at,
    }


def _present_attempt(attempt: WebhookAttempt) -> dict[str, object]:
    return {"at": attempt.at, "status_code": attempt.status_code, "error": attempt.error or None}
