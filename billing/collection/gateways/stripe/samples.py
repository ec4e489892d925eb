"""Deliveries for the demonstration's inbox: signed as by Stripe, about objects that Stripe does not have."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from billing.collection.domain.provider import DeliveredRequest
from billing.collection.gateways.stripe import settings

EVENTS: Final = (
    ("invoice.payment_failed", "invoice", "in_demo_of_another_system"),
    ("customer.subscription.updated", "subscription", "sub_demo_of_another_system"),
    ("customer.discount.created", "discount", "di_demo"),
)


def sample_deliveries(*, as_of: datetime) -> Sequence[DeliveredRequest]:
    """Return one delivery of each kind, if the webhook's secret is a setting."""
    if not settings.webhook_secret():
        return ()
    return tuple(_sample(number, *event, as_of) for number, event in enumerate(EVENTS, start=1))


def _sample(number: int, event_type: str, kind: str, object_id: str, as_of: datetime) -> DeliveredRequest:
    created = int((as_of - timedelta(minutes=number)).timestamp())
    body = json.dumps(
        {
            "id": f"evt_demo_{number}",
            "object": "event",
            "api_version": settings.API_VERSION,
            "created": created,
            "livemode": False,
            "type": event_type,
            "data": {"object": {"id": object_id, "object": kind, "metadata": {}}},
        }
    ).encode()
    signed = hmac.new(settings.webhook_secret().encode(), b"%d." % created + body, hashlib.sha256).hexdigest()
    return DeliveredRequest(settings.webhook_uuid(), {"Stripe-Signature": f"t={created},v1={signed}"}, body)
