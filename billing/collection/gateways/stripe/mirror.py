"""Maintains dj-stripe's copy of Stripe's objects, which staff read. No decision of ours uses it.

dj-stripe fetches the objects that an object refers to, each in a transaction of its own; so this is called outside of
our transactions.
"""

from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import stripe
from cryptography.fernet import InvalidToken
from django.db import IntegrityError
from djstripe import models as mirror
from djstripe.exceptions import InvalidStripeAPIKey

from accounts.at_rest import WEBHOOK_SECRET, seal_text, unseal_text
from accounts.domain.reach import WayIn, also_by
from accounts.gateways.outside import NO_ANSWER, breaker
from billing.collection.errors import PaymentProviderError
from billing.collection.gateways.stripe import settings
from billing.collection.gateways.stripe.api import CIRCUIT, OUTAGES, api_host, no_answer, patience
from billing.collection.gateways.stripe.objects import Json, text

MODELS: Final[dict[str, Any]] = {
    "customer": mirror.Customer,
    "subscription": mirror.Subscription,
    "invoice": mirror.Invoice,
    "checkout.session": mirror.Session,
}
# The errors of dj-stripe for an object that it does not expect; the copy stays as it was, and our processing of the
# object continues.
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
    """Update the copy of an object; return the error as a sentence, or an empty text.

    Raises `PaymentProviderError` if Stripe does not respond.
    """
    model = MODELS.get(text(described, "object"))
    if model is None:
        return ""
    with also_by(WayIn.PROVIDER):
        return _keep_copy(model, described)


def _keep_copy(model: Any, described: Json) -> str:
    _prepare()
    # As the library's own object: dj-stripe pages through the lists inside, which needs a client.
    data = model.stripe_class.construct_from(dict(described), settings.secret_key(), settings.API_VERSION)
    try:
        with breaker(CIRCUIT, OUTAGES):
            model.sync_from_stripe_data(data, api_key=settings.secret_key())
    except NO_ANSWER as error:
        raise no_answer(error) from error
    except InvalidStripeAPIKey:  # its message has the key
        return "dj-stripe's copy failed: it does not know a key of this form"
    except ODDITIES as error:
        return f"dj-stripe's copy failed: {type(error).__name__}: {error}"[:200]
    except stripe.StripeError as error:
        raise PaymentProviderError(f"Stripe: {type(error).__name__}") from error
    return ""


def _prepare() -> None:
    """Set the library's global settings, which dj-stripe uses; their default timeout is 80 seconds."""
    if stripe.api_base != api_host():
        stripe.api_base = api_host()
    stripe.api_key = settings.secret_key()
    stripe.api_version = settings.API_VERSION
    stripe.max_network_retries, seconds = patience()
    stripe.default_http_client = _http_client(seconds)


@lru_cache(maxsize=2)
def _http_client(seconds: tuple[int, int]) -> stripe.RequestsClient:
    return stripe.RequestsClient(timeout=seconds)


def keep_webhook_endpoint(*, id_: str, uuid: UUID, url: str, secret: str, events: list[str]) -> bool:
    """Write dj-stripe's row of an endpoint, with its secret encrypted; return whether anything changed."""
    wanted = {
        "id": id_,
        "url": url,
        "enabled_events": events,
        "status": "enabled",
        "livemode": settings.is_live_mode(),
        "api_version": settings.API_VERSION,
    }
    row = mirror.WebhookEndpoint.objects.filter(djstripe_uuid=uuid).first()
    is_as_wanted = row is not None and all(getattr(row, name) == value for name, value in wanted.items())
    if is_as_wanted and unsealed_secret(row.secret) == secret:
        return False
    sealed = seal_text(secret, purpose=WEBHOOK_SECRET)
    mirror.WebhookEndpoint.objects.update_or_create(djstripe_uuid=uuid, defaults=wanted | {"secret": sealed})
    return True


def unsealed_secret(sealed: str) -> str | None:
    """Return an endpoint's secret, or None if there is none that can be decrypted."""
    try:
        return unseal_text(sealed, purpose=WEBHOOK_SECRET)
    except InvalidToken:
        return None


def forget_kept_keys() -> None:
    """Delete the API keys that dj-stripe stored in clear before `_owner_of_key` prevented it."""
    mirror.APIKey.objects.all().delete()


_owner_ids: dict[tuple[str, str], str] = {}


def _owner_of_key(api_key: str) -> mirror.Account:
    """Return the account of a key. It is fetched once by each process, and cached only here.

    dj-stripe's own implementation stores the key, in clear, for this.
    """
    asked = (api_host(), api_key)
    account = mirror.Account.objects.filter(id=_owner_ids[asked]).first() if asked in _owner_ids else None
    if account is None:
        described = mirror.Account.stripe_class.retrieve(api_key=api_key, stripe_version=settings.API_VERSION)
        account, is_new = mirror.Account.objects.get_or_create(id=described["id"])
        _owner_ids[asked] = account.id  # before the copy is written, which reads the owner
        if is_new:
            mirror.Account.sync_from_stripe_data(described, api_key=api_key)
    return account


mirror.Account.get_or_retrieve_for_api_key = staticmethod(_owner_of_key)
