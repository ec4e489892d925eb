"""Paddle's objects as values.

Only this module knows their shape, which is that of version 1 of Paddle's API. Readers are pure. If a field that Paddle
always sends is missing, they raise `ProviderObjectError`, which staff see; an optional field reads as empty. The
entities of Paddle's library are not used: they break off on a field that is null or new.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from billing.collection.domain.json_values import Json, inner, items, text, uuid_or_none, whole_or_none
from billing.collection.domain.provider import Agreement, AgreementState, ReportedPayment
from billing.collection.errors import ProviderObjectError

TENANT_KEY: Final = "countinghouse_tenant"
PLAN_VERSION_KEY: Final = "countinghouse_plan_version"
INVOICE_KEY: Final = "countinghouse_invoice"
ID_CHARACTERS_MAX: Final = 200
TYPE_CHARACTERS_MAX: Final = 100
CARD_LABEL_CHARACTERS_MAX: Final = 60
CANCELED: Final = "canceled"
PAUSED: Final = "paused"
PAID: Final = frozenset({"paid", "completed"})
_STATE_OF: Final = {
    "trialing": AgreementState.LIVE,
    "active": AgreementState.LIVE,
    "past_due": AgreementState.LIVE,
    PAUSED: AgreementState.LIVE,
    CANCELED: AgreementState.ENDED,
}
_PERIOD_END_SLACK: Final = timedelta(hours=2)
_DAYS_OF: Final = {"day": 1, "week": 7, "month": 28, "year": 365}
# After one of these the same card is not going to pay.
_FINAL_DECLINES: Final = frozenset({"expired_card", "blocked_card", "fraud", "invalid_payment_details", "cancelled"})
_DECLINED: Final[Mapping[str, str]] = {
    "authentication_failed": "The customer did not confirm the payment.",
    "blocked_card": "The card is blocked.",
    "declined": "The card was declined.",
    "declined_not_retryable": "The card was declined, and is not going to be accepted.",
    "expired_card": "The card has expired.",
    "fraud": "The payment looks like fraud.",
    "invalid_amount": "The amount was refused.",
    "invalid_payment_details": "The payment details are not valid.",
    "issuer_unavailable": "The bank did not respond.",
    "not_enough_balance": "There is not enough money on the account.",
}


@dataclass(frozen=True, slots=True)
class PaddleEvent:
    """An event: only its subject is used, since the state in it may be out of date."""

    id: str
    type: str
    occurred_at: datetime
    data: Json


@dataclass(frozen=True, slots=True)
class CollectedTransaction:
    """A transaction. `net_minor` is without the tax, which Paddle adds and declares."""

    id: str
    customer_id: str
    subscription_id: str
    status: str
    invoice_id: UUID | None
    currency: str
    net_minor: int
    checkout_url: str
    is_charged: bool
    payment: ReportedPayment | None
    failures: tuple[ReportedPayment, ...]
    card_label: str


def read_event(payload: object) -> PaddleEvent:
    """Read an event as it was delivered. Raises `ProviderObjectError` if it is not one."""
    if not isinstance(payload, Mapping):
        raise ProviderObjectError("An event is an object.")
    id_, type_, occurred_at = text(payload, "event_id"), text(payload, "event_type"), instant(payload, "occurred_at")
    if not 0 < len(id_) <= ID_CHARACTERS_MAX or not 0 < len(type_) <= TYPE_CHARACTERS_MAX or occurred_at is None:
        raise ProviderObjectError("An event has an id, a type and a time.")
    return PaddleEvent(id_, type_, occurred_at, inner(payload, "data"))


def read_agreement(subscription: Json) -> Agreement:
    """Read a subscription."""
    status = required(subscription, "status")
    if status not in _STATE_OF:
        raise ProviderObjectError(f"A subscription at Paddle is {status[:40]!r}, which we do not know.")
    ours = inner(subscription, "custom_data")
    return Agreement(
        reference=required(subscription, "id"),
        customer_reference=required(subscription, "customer_id"),
        status=status,
        state=_STATE_OF[status],
        is_cancelled_at_period_end=text(inner(subscription, "scheduled_change"), "action") == "cancel",
        has_ended_with_period=_ended_with_period(subscription),
        tenant_id=uuid_or_none(text(ours, TENANT_KEY)),
        plan_version_id=whole_or_none(text(ours, PLAN_VERSION_KEY)),
    )


def _ended_with_period(subscription: Json) -> bool:
    """Return whether the subscription lasted until the end of a period; it may also have been ended before.

    A subscription that has ended names no period any more, so it is the last billing and its cycle that say it.
    """
    ended_at = instant(subscription, "canceled_at")
    billed = [at for item in items(subscription, "items") if (at := instant(item, "previously_billed_at"))]
    if ended_at is None or not billed:
        return False
    cycle = inner(subscription, "billing_cycle")
    frequency = cycle.get("frequency")
    days = _DAYS_OF.get(text(cycle, "interval"), 28) * (frequency if isinstance(frequency, int) else 1)
    return ended_at >= max(billed) + timedelta(days=days) - _PERIOD_END_SLACK


def is_chargeable(subscription: Json) -> bool:
    """Return whether a subscription is charged by Paddle without the customer's doing."""
    return text(subscription, "status") in _STATE_OF.keys() - {PAUSED, CANCELED} and (
        text(subscription, "collection_mode") == "automatic"
    )


def read_transaction(transaction: Json) -> CollectedTransaction:
    """Read a transaction."""
    currency, totals = required(transaction, "currency_code"), inner(inner(transaction, "details"), "totals")
    status, id_ = required(transaction, "status"), required(transaction, "id")
    net_minor = amount(totals, "subtotal") - amount(totals, "discount")
    paid = next((one for one in _payments(transaction) if text(one, "status") == "captured"), None)
    paid_at = None if paid is None else instant(paid, "captured_at")
    return CollectedTransaction(
        id=id_,
        customer_id=text(transaction, "customer_id"),
        subscription_id=text(transaction, "subscription_id"),
        status=status,
        invoice_id=_invoice_id(transaction),
        currency=currency,
        net_minor=net_minor,
        checkout_url=text(inner(transaction, "checkout"), "url"),
        is_charged=text(transaction, "origin") == "subscription_charge",
        payment=ReportedPayment(id_, net_minor, currency, paid_at or instant(transaction, "updated_at"))
        if status in PAID
        else None,
        failures=_failures(transaction, id_, net_minor, currency),
        card_label=_card_label(_payments(transaction)),
    )


def _invoice_id(transaction: Json) -> UUID | None:
    """Return which invoice of ours it collects: of a charge on a subscription the price says so."""
    said = [text(inner(transaction, "custom_data"), INVOICE_KEY)]
    said += [text(inner(inner(item, "price"), "custom_data"), INVOICE_KEY) for item in items(transaction, "items")]
    found = {value for value in said if value}
    return uuid_or_none(found.pop()) if len(found) == 1 else None


def _payments(transaction: Json) -> list[Json]:
    """Return the attempts to pay, the latest first, as Paddle lists them."""
    return items(transaction, "payments")


def _failures(transaction: Json, id_: str, net_minor: int, currency: str) -> tuple[ReportedPayment, ...]:
    """Return the failed attempts, each under its own name, the earliest first."""
    failed = {text(one, "payment_attempt_id"): one for one in _payments(transaction) if text(one, "status") == "error"}
    return tuple(
        ReportedPayment(
            reference=f"{id_}#{attempt}",
            amount_minor=net_minor,
            currency=currency,
            occurred_at=instant(one, "created_at"),
            error=_DECLINED.get(text(one, "error_code"), "The payment failed."),
            decline_code=text(one, "error_code")[:60],
            is_final=text(one, "error_code") in _FINAL_DECLINES | {"declined_not_retryable"},
        )
        for attempt, one in reversed(failed.items())
        if attempt
    )


def _card_label(payments: list[Json]) -> str:
    """Return the label of what the latest payment was made with, such as `Visa ending in 4242`."""
    for payment in payments:
        details = inner(payment, "method_details")
        kind = text(details, "type")
        if text(payment, "status") == "error" or not kind:
            continue
        card = inner(details, "card")
        name, last4 = text(card, "type") or kind, text(card, "last4")
        label = name.replace("_", " ").capitalize() + (f" ending in {last4}" if last4 else "")
        return label[:CARD_LABEL_CHARACTERS_MAX]
    return ""


def required(node: Json, name: str) -> str:
    """Return a required text."""
    value = text(node, name)
    if not value:
        raise ProviderObjectError(f"Paddle's {text(node, 'id') or 'object'} lacks {name}.")
    return value


def amount(totals: Json, name: str) -> int:
    """Return an amount, which Paddle writes as a text of minor units."""
    value = text(totals, name)
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):  # noqa: PLR2004 - of a bigint
        raise ProviderObjectError(f"Paddle's amount {name} is {value[:40]!r}.")
    return int(value)


def instant(node: Json, name: str) -> datetime | None:
    """Return an instant with its zone, which Paddle writes as RFC 3339."""
    try:
        found = datetime.fromisoformat(text(node, name))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
