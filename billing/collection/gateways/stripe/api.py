"""The only module that calls Stripe, with `money_api`.

It returns Stripe's objects as plain dicts, which `objects` reads.

Calls raise `PaymentProviderError` if Stripe did not respond: the outcome is unknown, and the same call may be made
again. They raise `PaymentRefusedError` if Stripe refused. A call that creates something has an Idempotency-Key
computed from our ids. Key, host and version are read at each call, so that a test, or a new key, takes effect at once.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import stripe

from accounts.domain.numbers import counted
from accounts.gateways.circuits import CircuitOpenError
from accounts.gateways.deadlines import OutOfTimeError, is_in_request
from accounts.gateways.outside import NO_ANSWER, call_outside
from billing.collection.domain.provider import Bill, CheckoutOrder, CustomerDetails
from billing.collection.errors import (
    CustomerGoneError,
    PaymentDeclinedError,
    PaymentProviderError,
    PaymentRefusedError,
)
from billing.collection.gateways.stripe import settings
from billing.collection.gateways.stripe.objects import (
    CHECKOUT_KEY,
    INVOICE_KEY,
    PLAN_VERSION_KEY,
    TENANT_KEY,
    Json,
    data_of,
    id_in,
    inner,
    required,
    text,
    to_stripe_amount,
)

CIRCUIT: Final = "stripe"
# For jobs; a request has a deadline over all its calls, and repeats none.
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 20
RETRIES: Final = 2
# Stripe did not respond: no connection, no response in time, a 5xx.
OUTAGES: Final = (stripe.APIConnectionError, stripe.APIError)
RETRY_AFTER_SECONDS: Final = 30
PAGE: Final = 100
SUBSCRIBER_KEY: Final = "djstripe_subscriber"  # dj-stripe finds the tenant of a customer by this
ADDRESS: Final = {
    "line1": "address_line1",
    "line2": "address_line2",
    "postal_code": "postal_code",
    "city": "city",
    "state": "region",
    "country": "country",
}
AGREEMENT_PRODUCT: Final = "countinghouse_agreement"
DUPLICATE_METER_EVENT: Final = "duplicate_meter_event"

Request = Callable[[stripe.StripeClient], stripe.StripeObject]
Listing = Callable[[stripe.StripeClient, Any], stripe.StripeObject]


def is_configured() -> bool:
    """Return whether a key is set."""
    return bool(settings.secret_key())


def api_host() -> str:
    """Return Stripe's address, or that of a fake."""
    return settings.api_host() or stripe.DEFAULT_API_BASE


# Customers


def create_customer(*, tenant_id: UUID, replaces: str = "") -> Json:
    """Create the tenant's customer, in place of a deleted one if that is named.

    The request has only values that never change, so that a repetition is the same request; see `describe_customer`.
    """
    params: Any = {"metadata": {TENANT_KEY: str(tenant_id), SUBSCRIBER_KEY: str(tenant_id)}}
    return send(
        lambda client: client.v1.customers.create(params, once(f"customer:{tenant_id}{replaces and ':'}{replaces}"))
    )


def describe_customer(customer_id: str, details: CustomerDetails) -> Json:
    """Update a customer's name and addresses at Stripe."""
    address = {theirs: details.address.get(ours, "") for theirs, ours in ADDRESS.items()}
    params: Any = {"name": details.name, "email": details.email, "address": address if any(address.values()) else ""}
    return send(lambda client: client.v1.customers.update(customer_id, params, _once_per_call()))


def customer(customer_id: str) -> Json:
    """Return a customer, with the payment method of its invoices."""
    params: Any = {"expand": ["invoice_settings.default_payment_method"]}
    return send(lambda client: client.v1.customers.retrieve(customer_id, params))


def charge_invoices_to(customer_id: str, *, payment_method_id: str) -> Json:
    """Set the payment method to which the customer's invoices are charged."""
    params: Any = {
        "invoice_settings": {"default_payment_method": payment_method_id},
        "expand": ["invoice_settings.default_payment_method"],
    }
    return send(lambda client: client.v1.customers.update(customer_id, params, _once_per_call()))


# Agreements: subscriptions over 0, by which a customer agrees to be charged


def agreement_price(currency: str) -> str:
    """Return the id of the zero-amount monthly price in a currency, creating it if needed."""
    lookup_key = f"{AGREEMENT_PRODUCT}_{currency.lower()}"
    listing: Any = {"lookup_keys": [lookup_key], "active": True}
    found = data_of(send(lambda client: client.v1.prices.list(listing)))
    if found:
        return required(found[0], "id")
    _ensure_product()
    params: Any = {
        "product": AGREEMENT_PRODUCT,
        "currency": currency.lower(),
        "unit_amount": 0,
        "recurring": {"interval": "month"},
        "lookup_key": lookup_key,
        "nickname": "Invoices are issued by us",
    }
    return required(send(lambda client: client.v1.prices.create(params, once(f"price:{lookup_key}"))), "id")


def _ensure_product() -> None:
    params: Any = {"id": AGREEMENT_PRODUCT, "name": "Billing agreement"}
    try:
        send(lambda client: client.v1.products.create(params, once(f"product:{AGREEMENT_PRODUCT}")))
    except PaymentRefusedError as error:
        if error.reason != "resource_already_exists":
            raise


def start_checkout(order: CheckoutOrder) -> Json:
    """Open a page on which the customer agrees to the text above its button, and pays by a card that is kept.

    If nothing is charged now, the page only takes a card, and says so.
    """
    metadata = {TENANT_KEY: str(order.tenant_id), PLAN_VERSION_KEY: str(order.plan_version_id)}
    params: Any = {
        "customer": order.customer_reference,
        "client_reference_id": str(order.tenant_id),
        "custom_text": {"submit": {"message": order.agreement}},
        "metadata": metadata,
        "success_url": order.success_url,
        "cancel_url": order.cancel_url,
    }
    currency = order.currency.lower()
    if order.charge_minor:
        price = {
            "currency": currency,
            "unit_amount": to_stripe_amount(order.charge_minor, order.currency),
            "product_data": {"name": order.charge_name},
        }
        kept = {"metadata": metadata, "setup_future_usage": "off_session", "description": order.charge_name}
        params |= {"mode": "payment", "line_items": [{"price_data": price, "quantity": 1}], "payment_intent_data": kept}
    else:
        params |= {"mode": "setup", "currency": currency, "setup_intent_data": {"metadata": metadata}}
    return send(lambda client: client.v1.checkout.sessions.create(params, _once_per_call()))


def checkout_session(session_id: str) -> Json:
    """Return a checkout session, with its payment or set-up."""
    params: Any = {"expand": ["payment_intent", "setup_intent"]}
    return send(lambda client: client.v1.checkout.sessions.retrieve(session_id, params))


def agreement_of_checkout(session: Json, *, payment_method_id: str) -> Json:
    """Return the subscription over 0 that a checkout agreed to, creating it if needed."""
    session_id, customer_id = required(session, "id"), id_in(session, "customer")
    listing: Any = {"customer": customer_id, "status": "all", "limit": PAGE}
    for made in pages(lambda client, after: client.v1.subscriptions.list(listing | after)):
        if text(inner(made, "metadata"), CHECKOUT_KEY) == session_id:
            return made
    given = inner(session, "metadata")
    params: Any = {
        "customer": customer_id,
        "items": [{"price": agreement_price(text(session, "currency"))}],
        "default_payment_method": payment_method_id,
        "metadata": {**{key: text(given, key) for key in (TENANT_KEY, PLAN_VERSION_KEY)}, CHECKOUT_KEY: session_id},
        "off_session": True,
    }
    return send(lambda client: client.v1.subscriptions.create(params, once(f"agreement:{session_id}")))


def open_portal(*, customer_id: str, return_url: str) -> Json:
    """Open Stripe's page on which the customer changes its cards."""
    params: Any = {"customer": customer_id, "return_url": return_url}
    return send(lambda client: client.v1.billing_portal.sessions.create(params, _once_per_call()))


def agreement(subscription_id: str) -> Json:
    """Return a subscription, with its payment method."""
    params: Any = {"expand": ["default_payment_method"]}
    return send(lambda client: client.v1.subscriptions.retrieve(subscription_id, params))


def end_agreement(subscription_id: str) -> Json:
    """End a subscription now. One that has already ended is returned unchanged."""
    try:
        return send(lambda client: client.v1.subscriptions.cancel(subscription_id, {}))
    except PaymentRefusedError:
        return agreement(subscription_id)


def end_agreement_with_period(subscription_id: str, *, is_ending: bool) -> Json:
    """End a subscription with its period, or continue it.

    Stripe's portal sets a date, the API a flag: each is undone in its own way.
    """
    params: Any = {"expand": ["default_payment_method"]}
    if not is_ending and agreement(subscription_id).get("cancel_at_period_end") is not True:
        params |= {"cancel_at": ""}
    else:
        params |= {"cancel_at_period_end": is_ending}
    return send(lambda client: client.v1.subscriptions.update(subscription_id, params, _once_per_call()))


# Invoices


def invoices_for(invoice_id: UUID, *, customer_id: str, since: datetime) -> list[Json]:
    """Return Stripe's invoices that collect one of ours, oldest first.

    A list shows an invoice immediately after its creation, unlike Stripe's search.
    """
    params: Any = {"customer": customer_id, "created": {"gte": int(since.timestamp())}, "limit": PAGE}
    found = pages(lambda client, after: client.v1.invoices.list(params | after))
    ours = [item for item in found if text(inner(item, "metadata"), INVOICE_KEY) == str(invoice_id)]
    return ours[::-1]


def invoices_since(since: datetime) -> list[Json]:
    """Return every invoice of the account since a moment, newest first, with its payments."""
    params: Any = {"created": {"gte": int(since.timestamp())}, "expand": ["data.payments"], "limit": PAGE}
    return pages(lambda client, after: client.v1.invoices.list(params | after))


def create_invoice(bill: Bill, *, generation: int) -> Json:
    """Create a draft without lines: charged to the customer's card, or sent with a due date."""
    params: Any = {
        "customer": bill.customer_reference,
        "currency": bill.currency.lower(),
        "description": f"Invoice {bill.number}",
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "metadata": {INVOICE_KEY: str(bill.invoice_id)},
    }
    if bill.is_charged:
        params |= {"collection_method": "charge_automatically"}
    else:
        params |= {"collection_method": "send_invoice", "days_until_due": bill.days_until_due}
    key = f"invoice:{bill.invoice_id}:{bill.customer_reference}:{generation}"
    return send(lambda client: client.v1.invoices.create(params, once(key)))


def add_invoice_item(*, stripe_invoice_id: str, customer_id: str, amount: int, currency: str, description: str) -> Json:
    """Add the one line to a draft: our total."""
    params: Any = {
        "customer": customer_id,
        "invoice": stripe_invoice_id,
        "amount": amount,
        "currency": currency.lower(),
        "description": description,
    }
    return send(lambda client: client.v1.invoice_items.create(params, once(f"invoice-item:{stripe_invoice_id}")))


def finalize_invoice(stripe_invoice_id: str) -> Json:
    """Finalize a draft. Stripe neither charges nor mails it by itself: the time of each attempt is decided here."""
    params: Any = {"auto_advance": False}
    key = f"finalize:{stripe_invoice_id}"
    return send(lambda client: client.v1.invoices.finalize_invoice(stripe_invoice_id, params, once(key)))


def pay_invoice(stripe_invoice_id: str, *, attempt: str) -> Json:
    """Charge the customer's card for an open invoice, once for each name of an attempt.

    Raises `PaymentDeclinedError` if the card is declined, or the customer must confirm the payment first.
    """
    params: Any = {"off_session": True}
    key = f"pay:{stripe_invoice_id}:{attempt}"
    return send(lambda client: client.v1.invoices.pay(stripe_invoice_id, params, once(key)))


def invoice(stripe_invoice_id: str) -> Json:
    """Return an invoice, with the errors of its payments."""
    params: Any = {"expand": ["payments.data.payment.payment_intent"]}
    return send(lambda client: client.v1.invoices.retrieve(stripe_invoice_id, params))


def delete_draft_invoice(stripe_invoice_id: str) -> Json:
    """Delete a draft."""
    return send(lambda client: client.v1.invoices.delete(stripe_invoice_id))


def void_invoice(stripe_invoice_id: str) -> Json:
    """Void an open invoice: it can no longer be paid."""
    return send(
        lambda client: client.v1.invoices.void_invoice(stripe_invoice_id, {}, once(f"void:{stripe_invoice_id}"))
    )


# Usage


def meters() -> dict[str, str]:
    """Return the ids of the active billing meters by the name of their events."""
    params: Any = {"status": "active", "limit": PAGE}
    found = pages(lambda client, after: client.v1.billing.meters.list(params | after))
    return {text(meter, "event_name"): text(meter, "id") for meter in found}


def create_meter(*, event_name: str, display_name: str) -> Json:
    """Create a meter that accepts one total an hour."""
    params: Any = {
        "display_name": display_name,
        "event_name": event_name,
        "event_time_window": "hour",
        "default_aggregation": {"formula": "sum"},
        "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
        "value_settings": {"event_payload_key": "value"},
    }
    return send(lambda client: client.v1.billing.meters.create(params, once(f"meter:{event_name}")))


def usage_of(meter_id: str, *, customer_id: str, since: datetime, until: datetime) -> Decimal:
    """Return the usage that Stripe has of a customer in a span of whole hours."""
    params: Any = {"customer": customer_id, "start_time": int(since.timestamp()), "end_time": int(until.timestamp())}
    found = data_of(send(lambda client: client.v1.billing.meters.event_summaries.list(meter_id, params)))
    return sum((Decimal(str(one.get("aggregated_value", 0))) for one in found), Decimal(0))


def send_meter_event(*, event_name: str, identifier: str, customer_id: str, value: str, timestamp: int) -> None:
    """Report usage. `PaymentRefusedError` with the reason `duplicate_meter_event` means that Stripe already has it."""
    params: Any = {
        "event_name": event_name,
        "identifier": identifier,
        "timestamp": timestamp,
        "payload": {"stripe_customer_id": customer_id, "value": value},
    }
    try:
        send(lambda client: client.v1.billing.meter_events.create(params))
    except PaymentRefusedError as error:
        if "already exists with identifier" in error.detail:
            raise PaymentRefusedError(error.detail, reason=DUPLICATE_METER_EVENT) from error
        raise


# The endpoint of webhooks


def webhook_endpoints() -> list[Json]:
    """Return the webhook endpoints at Stripe."""
    params: Any = {"limit": PAGE}
    return pages(lambda client, after: client.v1.webhook_endpoints.list(params | after))


def create_webhook_endpoint(*, url: str, events: Sequence[str], uuid: UUID) -> Json:
    """Create a webhook endpoint; only this response has its secret."""
    params: Any = {
        "url": url,
        "enabled_events": list(events),
        "api_version": settings.API_VERSION,
        "metadata": {"djstripe_uuid": str(uuid)},
    }
    return send(lambda client: client.v1.webhook_endpoints.create(params, _once_per_call()))


def update_webhook_endpoint(endpoint_id: str, *, events: Sequence[str]) -> Json:
    """Change the types of events that an endpoint is sent."""
    params: Any = {"enabled_events": list(events)}
    return send(lambda client: client.v1.webhook_endpoints.update(endpoint_id, params, _once_per_call()))


def delete_webhook_endpoint(endpoint_id: str) -> Json:
    """Delete a webhook endpoint."""
    return send(lambda client: client.v1.webhook_endpoints.delete(endpoint_id))


# Requests


@lru_cache(maxsize=8)
def _client(
    key: str,
    host: str,
    version: str,
    retries: int = RETRIES,
    seconds: tuple[int, int] = (CONNECT_SECONDS, READ_SECONDS),
) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=version,
        base_addresses={"api": host},
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=seconds),
    )


def patience() -> tuple[int, tuple[int, int]]:
    """Return the number of retries, and the seconds to wait to connect and between two parts of a response."""
    if is_in_request():
        return 0, (settings.request_seconds(), settings.request_seconds())
    return RETRIES, (CONNECT_SECONDS, READ_SECONDS)


def once(key: str) -> Any:
    """Return the options with an Idempotency-Key, so that the call is done once however often it is sent."""
    return {"idempotency_key": f"countinghouse:{key}"}


def _once_per_call() -> Any:
    """Return the options of a call that may have another result when it is sent again later.

    Stripe's library gives each call a key, which its own retries share.
    """
    return {}


def pages(listing: Listing) -> list[Json]:
    """Return every object of a list, newest first."""
    found: list[Json] = []
    after: dict[str, str] = {}
    while True:
        page = send(partial(_page, listing, after))
        found += data_of(page)
        if page.get("has_more") is not True or not data_of(page):
            return found
        after = {"starting_after": required(found[-1], "id")}


def _page(listing: Listing, after: dict[str, str], client: stripe.StripeClient) -> stripe.StripeObject:
    return listing(client, after)


def send(request: Request) -> Json:
    """Send a request, and translate Stripe's errors."""
    if not is_configured():
        raise PaymentProviderError("Payments are not set up: STRIPE_SECRET_KEY is missing.")
    client = _client(settings.secret_key(), api_host(), settings.API_VERSION, *patience())
    try:
        answer = call_outside(CIRCUIT, partial(request, client), OUTAGES)
    except NO_ANSWER as error:
        raise no_answer(error) from error
    except stripe.CardError as error:
        said: Json = error.json_body if isinstance(error.json_body, dict) else {}
        charge = text(inner(said, "error"), "charge")
        raise PaymentDeclinedError(_said(error), reason=error.code or "", attempt_reference=charge) from error
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing" and _said(error).startswith("No such customer"):
            raise CustomerGoneError(_said(error), reason=error.code) from error
        raise PaymentRefusedError(_said(error), reason=error.code or "") from error
    except stripe.IdempotencyError as error:
        if error.http_status == HTTPStatus.CONFLICT:
            raise PaymentProviderError("Stripe is still busy with the same request.") from error
        raise PaymentRefusedError(_said(error), reason="idempotency") from error
    except stripe.StripeError as error:
        # No response, a 5xx, too many requests, a key that is not valid.
        raise PaymentProviderError(
            f"Stripe: {_said(error)}", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
        ) from error
    return answer.to_dict()


def no_answer(error: CircuitOpenError | OutOfTimeError) -> PaymentProviderError:
    """Return the error if the wait for Stripe was ended, or Stripe was not called at all."""
    if isinstance(error, CircuitOpenError):
        detail = f"Stripe has not responded several times. It is called again in {counted(error.seconds, 'seconds')}."
        return PaymentProviderError(detail, headers={"Retry-After": str(error.seconds)})
    return PaymentProviderError("Stripe did not respond in time.", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _said(error: stripe.StripeError) -> str:
    """Return Stripe's error message in one line; it never has our full key."""
    return " ".join((error.user_message or type(error).__name__).split())[:300]
