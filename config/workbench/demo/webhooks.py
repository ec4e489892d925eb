"""Webhooks in the demonstration's Stripe inbox: signed as Stripe signs them, about objects that Stripe does not know."""

import hashlib
import hmac
import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from accounts.errors import NotFoundError
from billing.collection.services.inbox import process_inbox, receive_event
from billing.models import StripeInboxEvent

ID_PREFIX: Final = "evt_demo_"
EVENTS: Final = (
    ("invoice.payment_failed", "invoice", "in_demo_of_another_system"),
    ("customer.subscription.updated", "subscription", "sub_demo_of_another_system"),
    ("customer.discount.created", "discount", "di_demo"),
)


def send_webhooks(*, as_of: datetime) -> None:
    """Send them once, where Stripe, or the fake of it, is set up; the inbox says what became of each."""
    if not settings.STRIPE_WEBHOOK_SECRET or StripeInboxEvent.objects.filter(id__startswith=ID_PREFIX).exists():
        return
    for number, (event_type, kind, object_id) in enumerate(EVENTS, start=1):
        created = int((as_of - timedelta(minutes=number)).timestamp())
        body = json.dumps(
            {
                "id": f"{ID_PREFIX}{number}",
                "object": "event",
                "api_version": settings.STRIPE_API_VERSION,
                "created": created,
                "livemode": False,
                "type": event_type,
                "data": {"object": {"id": object_id, "object": kind, "metadata": {}}},
            }
        ).encode()
        signed = hmac.new(settings.STRIPE_WEBHOOK_SECRET.encode(), b"%d." % created + body, hashlib.sha256).hexdigest()
        with suppress(NotFoundError):  # a Stripe that did not answer when we were prepared
            receive_event(
                endpoint_uuid=UUID(str(settings.STRIPE_WEBHOOK_UUID)),
                signature=f"t={created},v1={signed}",
                body=body,
                as_of=as_of,
            )
    process_inbox(as_of=as_of)
