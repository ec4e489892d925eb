"""The only module that calls Paddle, by its library's client.

It returns Paddle's objects as plain dicts, which `objects` reads. Calls raise `PaymentProviderError` if Paddle did not
respond: the outcome is unknown. They raise `PaymentRefusedError` if Paddle refused. Paddle has no idempotency keys, so
a call that creates something follows a look for what an earlier one created. Key and host are read at each call.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, Final, NoReturn, cast
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from paddle_billing import Client, Environment, Options
from paddle_billing.Exceptions.ApiError import ApiError
from requests import RequestException, Response

from accounts.domain.numbers import counted
from accounts.gateways.circuits import CircuitOpenError
from accounts.gateways.outside import NO_ANSWER, call_outside
from billing.collection.domain.json_values import Json, inner, items, text
from billing.collection.domain.provider import Bill, CheckoutOrder, RefundOrder
from billing.collection.errors import PaymentProviderError, PaymentRefusedError, ProviderObjectError
from billing.collection.gateways.paddle import settings
from billing.collection.gateways.paddle.adjustments import reason_of
from billing.collection.gateways.paddle.objects import (
    INVOICE_KEY,
    PLAN_VERSION_KEY,
    TENANT_KEY,
    amount,
    required,
)

CIRCUIT: Final = "paddle"
RETRY_AFTER_SECONDS: Final = 30
SECONDS_PER_CALL_MAX: Final = 20
PAGE: Final = 100
PAGES_MAX: Final = 50
EMAIL_TAKEN: Final = "customer_already_exists"
PRODUCT_NAME_CHARACTERS_MAX: Final = 200
# Software that is used over the network; Paddle decides the tax by it.
TAX_CATEGORY: Final = "saas"
Query = Mapping[str, str]
# The library logs whole responses, with customers' data; what fails is raised, and stored by those who call.
_SILENT: Final = logging.getLogger(__name__)
_SILENT.setLevel(logging.CRITICAL)


class PaddleOutageError(Exception):
    """Paddle did not respond: no connection, no response in time, a 5xx, too many requests."""


@dataclass(frozen=True)
class _Host:
    """An address in the place of the library's two."""

    base_url: str


def is_configured() -> bool:
    """Return whether a key is set."""
    return bool(settings.api_key())


# Customers: one for each e-mail address


def customers_with(email: str) -> list[Json]:
    """Return the customers with this address, those that were archived as well."""
    return _list("/customers", {"email": email, "status": "active,archived"})


def create_customer(*, tenant_id: UUID, email: str, name: str) -> Json:
    """Create a customer. Raises `PaymentRefusedError` with the reason EMAIL_TAKEN if the address has one."""
    body = {"email": email, "custom_data": {TENANT_KEY: str(tenant_id)}, **({"name": name} if name else {})}
    return _object("POST", "/customers", body)


def update_customer(customer_id: str, changes: Mapping[str, object]) -> Json:
    """Change a customer."""
    return _object("PATCH", f"/customers/{customer_id}", changes)


def customer(customer_id: str) -> Json:
    """Return a customer."""
    return _object("GET", f"/customers/{customer_id}")


def open_portal(customer_id: str, *, subscription_ids: list[str]) -> str:
    """Return the address of the customer's own pages at Paddle."""
    body: dict[str, object] = {"subscription_ids": subscription_ids} if subscription_ids else {}
    session = _object("POST", f"/customers/{customer_id}/portal-sessions", body)
    return required(inner(inner(session, "urls"), "general"), "overview")


# Agreements: subscriptions over 0, by which a customer agrees to be charged


def start_checkout(order: CheckoutOrder) -> Json:
    """Create the transaction whose checkout makes the subscription: 0 a month, with a way of paying from the first."""
    price = {
        "description": "Agreement to be charged",
        "name": "Agreement",
        "product": {
            "name": "Agreement to be charged for a plan",
            "tax_category": TAX_CATEGORY,
            "description": order.agreement[:2048],
        },
        "unit_price": {"amount": "0", "currency_code": order.currency},
        "billing_cycle": {"interval": "month", "frequency": 1},
        "trial_period": {"interval": "month", "frequency": 1, "requires_payment_method": True},
        "tax_mode": "external",
    }
    ours = {TENANT_KEY: str(order.tenant_id), PLAN_VERSION_KEY: str(order.plan_version_id)}
    body: dict[str, object] = {
        "items": [{"quantity": 1, "price": price}],
        "customer_id": order.customer_reference,
        "currency_code": order.currency,
        "collection_mode": "automatic",
        "custom_data": ours,
        **_checkout(order.success_url),
    }
    return _object("POST", "/transactions", body)


def subscription(subscription_id: str) -> Json:
    """Return a subscription."""
    return _object("GET", f"/subscriptions/{subscription_id}")


def subscriptions_of(customer_id: str) -> list[Json]:
    """Return the subscriptions of a customer, the latest first."""
    return _list("/subscriptions", {"customer_id": customer_id, "order_by": "id[DESC]"})


def cancel(subscription_id: str, *, is_now: bool) -> Json:
    """End a subscription, now or with its period."""
    effective_from = "immediately" if is_now else "next_billing_period"
    return _object("POST", f"/subscriptions/{subscription_id}/cancel", {"effective_from": effective_from})


def keep(subscription_id: str) -> Json:
    """Undo the scheduled end of a subscription."""
    return _object("PATCH", f"/subscriptions/{subscription_id}", {"scheduled_change": None})


def activate(subscription_id: str) -> Json:
    """End the trial of a subscription: only an active one can be charged."""
    return _object("POST", f"/subscriptions/{subscription_id}/activate", {})


# Transactions


def charge(subscription_id: str, bill: Bill) -> Json:
    """Charge our total once on a subscription. Repeating this charges twice: look for its transaction first."""
    body = {
        "effective_from": "immediately",
        # A declined charge stays as a transaction that Paddle tries again, and the customer can pay.
        "on_payment_failure": "apply_change",
        "items": [_item(bill)],
    }
    return _object("POST", f"/subscriptions/{subscription_id}/charge", body)


def request_payment(bill: Bill, *, success_url: str) -> Json:
    """Create a transaction over our total that the customer pays on a page."""
    body: dict[str, object] = {
        "items": [_item(bill)],
        "customer_id": bill.customer_reference,
        "currency_code": bill.currency,
        "collection_mode": "automatic",
        "custom_data": {INVOICE_KEY: str(bill.invoice_id)},
        **_checkout(success_url),
    }
    return _object("POST", "/transactions", body)


def transaction(transaction_id: str) -> Json:
    """Return a transaction."""
    return _object("GET", f"/transactions/{transaction_id}")


def transactions_of(customer_id: str, *, since: datetime | None = None) -> list[Json]:
    """Return the transactions of a customer, the earliest first."""
    query = {"customer_id": customer_id, "order_by": "created_at[ASC]"}
    return _list("/transactions", query if since is None else {**query, "created_at[GTE]": since.isoformat()})


def latest_transactions_of(customer_id: str) -> list[Json]:
    """Return some of the customer's latest transactions, the latest first."""
    query = {"customer_id": customer_id, "status": "completed,paid", "order_by": "created_at[DESC]", "per_page": "5"}
    return items(_send("GET", f"/transactions?{urlencode(query)}"), "data")


def transactions_since(since: datetime) -> list[Json]:
    """Return every transaction of the account since a moment, the earliest first."""
    return _list("/transactions", {"order_by": "created_at[ASC]", "created_at[GTE]": since.isoformat()})


def cancel_transaction(transaction_id: str) -> Json:
    """Cancel a transaction that is not paid."""
    return _object("PATCH", f"/transactions/{transaction_id}", {"status": "canceled"})


# Adjustments: money that goes back


def adjustments_of(transaction_id: str) -> list[Json]:
    """Return the adjustments of a transaction, the earliest first."""
    return _list("/adjustments", {"transaction_id": transaction_id, "order_by": "id[ASC]"})


def adjustments_since(since: datetime) -> list[Json]:
    """Return every adjustment of the account since a moment, the latest first."""
    moment = since.isoformat()
    pages = _list("/adjustments", {"order_by": "id[DESC]"}, ends=lambda one: text(one, "created_at") < moment[:19])
    return [one for one in pages if text(one, "created_at") >= moment[:19]]


def refund(order: RefundOrder, described: Json) -> Json:
    """Return some or all of the money of a transaction, by our amount without tax. Look for an earlier refund first."""
    body: dict[str, object] = {
        "action": "refund",
        "transaction_id": order.payment_reference,
        "reason": reason_of(order),
    }
    totals = inner(inner(described, "details"), "totals")
    if amount(totals, "subtotal") - amount(totals, "discount") == order.amount_minor:
        return _object("POST", "/adjustments", {**body, "type": "full"})
    lines = items(inner(described, "details"), "line_items")
    if len(lines) != 1:
        raise PaymentRefusedError("Paddle's transaction has several items: refund it there.", reason="several_items")
    part = {"type": "partial", "item_id": required(lines[0], "id"), "amount": str(order.amount_minor)}
    return _object("POST", "/adjustments", {**body, "type": "partial", "tax_mode": "external", "items": [part]})


def destinations() -> list[Json]:
    """Return the addresses to which Paddle sends events."""
    return _list("/notification-settings", {})


def _item(bill: Bill) -> dict[str, object]:
    name = f"Usage statement {bill.number}"
    return {
        "quantity": 1,
        "price": {
            "description": name,
            "name": name[:50],
            "product": {"name": name[:PRODUCT_NAME_CHARACTERS_MAX], "tax_category": TAX_CATEGORY},
            "unit_price": {"amount": str(bill.total_minor), "currency_code": bill.currency},
            # Paddle adds the tax; ours is the amount without.
            "tax_mode": "external",
            "custom_data": {INVOICE_KEY: str(bill.invoice_id)},
        },
    }


def _checkout(success_url: str) -> dict[str, object]:
    """Return the page of the checkout, with the address to lead to afterwards; none: the account's default link."""
    page = settings.checkout_url()
    if not page:
        return {}
    joined = f"{page}{'&' if urlsplit(page).query else '?'}{urlencode({'done': success_url})}"
    return {"checkout": {"url": joined}}


# Requests


@lru_cache(maxsize=4)
def _client(key: str, host: str, seconds: float) -> Client:
    # The library's retries would make one call of ours many, for minutes; schedules repeat.
    options = Options(environment=cast("Environment", _Host(host)))
    return Client(key, options=options, logger=_SILENT, retry_count=0, timeout=seconds)


def _object(method: str, path: str, body: Mapping[str, object] | None = None) -> Json:
    found = inner(_send(method, path, body), "data")
    if not found:
        raise ProviderObjectError(f"Paddle's response to {method} {path.split('?', maxsplit=1)[0]} has no data.")
    return found


def _list(path: str, query: Query, *, ends: Callable[[Json], bool] | None = None) -> list[Json]:
    """Return all objects of a list, page by page, up to the page whose last object says that the list `ends`."""
    found: list[Json] = []
    wanted = {"per_page": str(PAGE), **query}
    for _ in range(PAGES_MAX):
        page = _send("GET", f"{path}?{urlencode(wanted)}")
        found += items(page, "data")
        paging = inner(inner(page, "meta"), "pagination")
        is_over = ends is not None and bool(found) and ends(found[-1])
        if paging.get("has_more") is not True or is_over:
            return found
        # Only its query: a key of ours is sent to no host that a response names.
        wanted = dict(parse_qsl(urlsplit(text(paging, "next")).query))
    raise ProviderObjectError(f"Paddle's list {path} does not end.")


def _send(method: str, path: str, body: Mapping[str, object] | None = None) -> Json:
    """Send a request, and translate the errors of Paddle and its library."""
    if not is_configured():
        raise PaymentProviderError("Payments are not set up: PADDLE_API_KEY is missing.")
    client = _client(settings.api_key(), settings.api_host(), min(settings.call_seconds(), SECONDS_PER_CALL_MAX))
    send: Callable[[], Response] = {
        "GET": partial(client.get_raw, path),
        "POST": partial(client.post_raw, path, cast("Any", body)),
        "PATCH": partial(client.patch_raw, path, cast("Any", body)),
    }[method]
    try:
        answer = call_outside(CIRCUIT, partial(_answered, send), (PaddleOutageError,))
        found = answer.json()
    except NO_ANSWER as error:
        raise _no_answer(error) from error
    except PaddleOutageError as error:
        raise PaymentProviderError(
            f"Paddle does not respond: {error}", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
        ) from error
    except ValueError as error:
        raise PaymentProviderError("Paddle's response is no JSON.") from error
    return found if isinstance(found, dict) else {}


def _answered(send: Callable[[], Response]) -> Response:
    """Return a response of success. Raises `PaddleOutageError`, `PaymentRefusedError`, `PaymentProviderError`."""
    try:
        return send()
    except ApiError as error:
        _raise(error.response, error.detail, error.error_code, error)
    except RequestException as error:
        if error.response is None:
            raise PaddleOutageError(type(error).__name__) from error
        _raise(error.response, "", "", error)
    except (KeyError, TypeError, AttributeError) as error:  # an error of a form that its library does not know
        raise PaddleOutageError(f"an error that cannot be read ({type(error).__name__})") from error


def _raise(response: Response | None, detail: str, code: str, error: Exception) -> NoReturn:
    status = 0 if response is None else response.status_code
    said = " ".join(str(detail).split())[:300] or f"status {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR or not status:
        raise PaddleOutageError(said) from error
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise PaymentProviderError(f"Paddle refuses the key: {said}") from error
    raise PaymentRefusedError(f"Paddle: {said}", reason=str(code)) from error


def _no_answer(error: Exception) -> PaymentProviderError:
    if isinstance(error, CircuitOpenError):
        detail = f"Paddle has not responded several times. It is called again in {counted(error.seconds, 'seconds')}."
        return PaymentProviderError(detail, headers={"Retry-After": str(error.seconds)})
    return PaymentProviderError("Paddle did not respond in time.", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
