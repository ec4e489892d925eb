"""Sample deliveries for the demonstration's inbox."""

from contextlib import suppress
from datetime import datetime

from accounts.errors import NotFoundError
from billing.collection.gateways.registry import configured_providers
from billing.collection.models import InboxEvent
from billing.collection.services.inbox import process_inbox, receive_event


def receive_samples(*, as_of: datetime) -> None:
    """Receive and process each configured provider's samples if its inbox is empty.

    The inbox shows the outcome of each.
    """
    for provider in configured_providers():
        if InboxEvent.objects.filter(provider=provider.name).exists():
            continue
        for request in provider.sample_deliveries(as_of=as_of):
            with suppress(NotFoundError):  # a provider that did not respond during set-up
                receive_event(provider_name=provider.name, request=request, as_of=as_of)
    process_inbox(as_of=as_of)
