"""Keeps dj-stripe's copy of Stripe's objects, which staff look at. Nothing of ours is decided by it.

dj-stripe fetches what an object refers to by itself, each in a transaction of its own; so this is called outside of any
of ours.
"""

from typing import Any, Final
from uuid import UUID

import stripe
from django.db import IntegrityError
from djstripe import models as mirror
from djstripe.exceptions import InvalidStripeAPIKey

from billing.collection.errors import PaymentProviderError
from billing.collection.gateways.stripe import settings
from billing.collection.gateways.stripe.api import CONNECT_SECONDS, READ_SECONDS, RETRIES, api_host
from billing.collection.gateways.stripe.objects import Json, text

MODELS: Final[dict[str, Any]] = {
    "customer": mirror.Customer,
    "subscription": mirror.Subscription,
    "invoice": mirror.Invoice,
    "checkout.session": mirror.Session,
}
# What dj-stripe raises where an object is not as it expects; the copy stays as it was, and what we do with the object
# goes on.
ODDITIES: Final = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IntegrityError,
    stripe.InvalidRequestError,
    mirror.Customer.MultipleObjectsReturned,
)


def mirror_object(described: Json) -> str:
    """Keep the copy of an object up to date; answers what went wrong, if anything.

    Raises `PaymentProviderError` where Stripe is away.
    """
    model = MODELS.get(text(described, "object"))
    if model is None:
        return ""
    _prepare()
    # As the library's own object: dj-stripe pages through the lists inside, which needs to know where to ask.
    data = model.stripe_class.construct_from(dict(described), settings.secret_key(), settings.API_VERSION)
    try:
        model.sync_from_stripe_data(data, api_key=settings.secret_key())
    except InvalidStripeAPIKey:  # its words have the key
        return "dj-stripe's copy failed: it does not know a key of this form"
    except ODDITIES as error:
        return f"dj-stripe's copy failed: {type(error).__name__}: {error}"[:200]
    except stripe.StripeError as error:
        raise PaymentProviderError(f"Stripe: {type(error).__name__}") from error
    return ""


def _prepare() -> None:
    """dj-stripe asks through the library's global settings, whose own wait is 80 seconds."""
    if stripe.api_base != api_host():
        stripe.api_base = api_host()
    stripe.api_key = settings.secret_key()
    stripe.api_version = settings.API_VERSION
    stripe.max_network_retries = RETRIES
    if stripe.default_http_client is None:
        stripe.default_http_client = stripe.RequestsClient(timeout=(CONNECT_SECONDS, READ_SECONDS))


def keep_webhook_endpoint(*, id_: str, uuid: UUID, url: str, secret: str, events: list[str]) -> bool:
    """Write dj-stripe's row of an endpoint; answers whether something changed."""
    wanted = {
        "id": id_,
        "url": url,
        "secret": secret,
        "enabled_events": events,
        "status": "enabled",
        "livemode": settings.is_live_mode(),
        "api_version": settings.API_VERSION,
    }
    row = mirror.WebhookEndpoint.objects.filter(djstripe_uuid=uuid).first()
    if row is not None and all(getattr(row, name) == value for name, value in wanted.items()):
        return False
    mirror.WebhookEndpoint.objects.update_or_create(djstripe_uuid=uuid, defaults=wanted)
    return True
