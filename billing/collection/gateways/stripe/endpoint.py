"""The webhook endpoint: dj-stripe's row of it, and the endpoint at Stripe (decision 0007).

It is idempotent and cheap: each object is read before it is created, so it may run at every start.
"""

from typing import Final
from uuid import UUID, uuid4

from django.conf import settings as django_settings
from djstripe.models import WebhookEndpoint

from billing.collection.gateways.stripe import api, mirror, settings
from billing.collection.gateways.stripe.news import EVENT_TYPES
from billing.collection.gateways.stripe.objects import Json, required, text

WEBHOOK_PATH: Final = "/webhooks/stripe/{uuid}"


def endpoint_secret(endpoint_uuid: UUID) -> str | None:
    """Return the endpoint's secret, or None if there is none with this address, or it is switched off."""
    enabled = WebhookEndpoint.objects.filter(djstripe_uuid=endpoint_uuid, status="enabled")
    sealed = enabled.values_list("secret", flat=True).first()
    return None if sealed is None else mirror.unsealed_secret(sealed)


def ensure_endpoint() -> str:
    """Store the endpoint that the settings name, or create one at Stripe if Stripe can reach us.

    Returns a sentence that describes the endpoint.
    """
    mirror.forget_kept_keys()
    secret, public_url = settings.webhook_secret(), str(django_settings.PUBLIC_URL)
    if secret:
        return _keep_given(UUID(settings.webhook_uuid()), secret, public_url)
    if settings.can_be_reached(public_url):
        return _ensure_at_stripe(public_url)
    return "no webhook endpoint: PUBLIC_URL is not public https, and STRIPE_WEBHOOK_SECRET is not set"


def _keep_given(uuid: UUID, secret: str, public_url: str) -> str:
    """Store an endpoint that an operator, or the fake, created: its secret is a setting."""
    url = public_url + WEBHOOK_PATH.format(uuid=uuid)
    changed = mirror.keep_webhook_endpoint(
        id_=f"we_{uuid.hex}", uuid=uuid, url=url, secret=secret, events=list(EVENT_TYPES)
    )
    return f"endpoint {'kept' if changed else 'unchanged'}: {url}"


def _ensure_at_stripe(public_url: str) -> str:
    """Create the endpoint.

    Stripe returns its secret once, so an endpoint with our address whose secret we lack is useless, and is deleted.
    """
    prefix = public_url + WEBHOOK_PATH.format(uuid="")
    there = [endpoint for endpoint in api.webhook_endpoints() if text(endpoint, "url").startswith(prefix)]
    for endpoint in there:
        if _id_of_known(text(endpoint, "url")) == text(endpoint, "id"):
            return _update_types(endpoint)
    for endpoint in there:
        api.delete_webhook_endpoint(required(endpoint, "id"))
    uuid = uuid4()
    url = public_url + WEBHOOK_PATH.format(uuid=uuid)
    made = api.create_webhook_endpoint(url=url, events=EVENT_TYPES, uuid=uuid)
    mirror.keep_webhook_endpoint(
        id_=required(made, "id"), uuid=uuid, url=url, secret=required(made, "secret"), events=list(EVENT_TYPES)
    )
    return f"endpoint created at Stripe: {url}"


def _update_types(endpoint: Json) -> str:
    """Update the types of events that Stripe sends to those that this version handles; the secret stays."""
    url, known = text(endpoint, "url"), endpoint.get("enabled_events")
    if isinstance(known, list) and set(known) == set(EVENT_TYPES):
        return f"endpoint unchanged: {url}"
    api.update_webhook_endpoint(required(endpoint, "id"), events=EVENT_TYPES)
    WebhookEndpoint.objects.filter(id=required(endpoint, "id")).update(enabled_events=list(EVENT_TYPES))
    return f"endpoint updated at Stripe, types of events: {len(EVENT_TYPES)}"


def _id_of_known(url: str) -> str | None:
    """Return Stripe's id of the endpoint at this address, if we have its secret."""
    row = WebhookEndpoint.objects.filter(url=url, status="enabled").first()
    return None if row is None or mirror.unsealed_secret(row.secret) is None else str(row.id)
