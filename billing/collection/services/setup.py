"""Sets Stripe up for us: the price of nothing by which customers agree, a meter for each of ours, and where it sends its events.

Idempotent and cheap: each thing is looked up before it is made, so it may run at every start.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings

from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe import mirror as stripe_mirror
from billing.collection.gateways.stripe.objects import required, text
from billing.collection.selectors.work import endpoint_at
from billing.collection.services.events import EVENT_TYPES
from billing.collection.services.usage_push import ensure_meters
from billing.domain.prices import PriceKind
from billing.models import Price

WEBHOOK_PATH: Final = "/webhooks/stripe/{uuid}"
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(slots=True)
class SetUp:
    """What there is now, in sentences, for whoever ran it."""

    said: list[str] = field(default_factory=list)


def set_up_stripe(*, currencies: Iterable[str] = ()) -> SetUp:
    """Make at Stripe what we need there, and dj-stripe's row of our endpoint. Raises `PaymentProviderError`, `PaymentRefusedError`."""
    done = SetUp()
    _ensure_endpoint(done)
    sold_in = Price.objects.filter(kind=PriceKind.RECURRING).values_list("currency", flat=True).distinct()
    for currency in sorted({*sold_in, *currencies}):
        done.said.append(f"agreement in {currency}: {stripe_api.agreement_price(currency)}")
    known = stripe_api.meters()
    made = ensure_meters(known)
    done.said.append(f"meters: {len(known)}, of which made now: {', '.join(made) or 'none'}")
    return done


def _ensure_endpoint(done: SetUp) -> None:
    secret = str(getattr(settings, "STRIPE_WEBHOOK_SECRET", ""))
    if secret:
        _keep_given(UUID(str(getattr(settings, "STRIPE_WEBHOOK_UUID", ""))), secret, done)
    elif _is_public(settings.PUBLIC_URL):
        _ensure_at_stripe(done)
    else:
        done.said.append("no webhook endpoint: PUBLIC_URL is not public https, and STRIPE_WEBHOOK_SECRET is not set")


def _keep_given(uuid: UUID, secret: str, done: SetUp) -> None:
    """The endpoint was made by a person, or is the fake's: its secret is a setting."""
    url = settings.PUBLIC_URL + WEBHOOK_PATH.format(uuid=uuid)
    changed = stripe_mirror.keep_webhook_endpoint(
        id_=f"we_{uuid.hex}",
        uuid=uuid,
        url=url,
        secret=secret,
        events=list(EVENT_TYPES),
        is_live=settings.STRIPE_LIVE_MODE,
    )
    done.said.append(f"endpoint {'kept' if changed else 'unchanged'}: {url}")


def _ensure_at_stripe(done: SetUp) -> None:
    """Stripe tells an endpoint's secret once. One at our address without a secret of ours is of no use, and is made anew."""
    prefix = settings.PUBLIC_URL + WEBHOOK_PATH.format(uuid="")
    there = [endpoint for endpoint in stripe_api.webhook_endpoints() if text(endpoint, "url").startswith(prefix)]
    for endpoint in there:
        if (known := endpoint_at(text(endpoint, "url"))) and known[0] == text(endpoint, "id"):
            done.said.append(f"endpoint unchanged: {text(endpoint, 'url')}")
            return
    for endpoint in there:
        stripe_api.delete_webhook_endpoint(required(endpoint, "id"))
    uuid = uuid4()
    url = settings.PUBLIC_URL + WEBHOOK_PATH.format(uuid=uuid)
    made = stripe_api.create_webhook_endpoint(url=url, events=EVENT_TYPES, uuid=uuid)
    stripe_mirror.keep_webhook_endpoint(
        id_=required(made, "id"),
        uuid=uuid,
        url=url,
        secret=required(made, "secret"),
        events=list(EVENT_TYPES),
        is_live=settings.STRIPE_LIVE_MODE,
    )
    done.said.append(f"endpoint made at Stripe: {url}")


def _is_public(url: str) -> bool:
    host = urlsplit(url).netloc
    return url.startswith("https://") and not host.startswith(LOCAL_NAMES)
