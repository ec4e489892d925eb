"""Deliveries for the demonstration's inbox: signed as by Paddle, about objects that Paddle does not have."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from billing.collection.domain.provider import DeliveredRequest
from billing.collection.gateways.paddle import settings
from billing.collection.gateways.paddle.signature import HEADER, signature_of

EVENTS: Final = (
    ("transaction.completed", {"id": "txn_demo_of_another_system", "customer_id": "ctm_demo"}),
    ("discount.created", {"id": "dsc_demo"}),
)


def sample_deliveries(*, as_of: datetime) -> Sequence[DeliveredRequest]:
    """Return one delivery of each kind, if a secret is set."""
    secrets = settings.webhook_secrets()
    return (
        tuple(_sample(number, *event, secrets[0], as_of) for number, event in enumerate(EVENTS, 1)) if secrets else ()
    )


def _sample(number: int, event_type: str, data: dict[str, str], secret: str, as_of: datetime) -> DeliveredRequest:
    occurred_at = as_of - timedelta(minutes=number)
    event = {
        "event_id": f"evt_demo_{number}",
        "event_type": event_type,
        "occurred_at": occurred_at.isoformat(),
        "notification_id": f"ntf_demo_{number}",
        "data": data,
    }
    body, seconds = json.dumps(event).encode(), int(as_of.timestamp())
    return DeliveredRequest("", {HEADER: f"ts={seconds};h1={signature_of(body, secret, seconds=seconds)}"}, body)
