"""Calls of Stripe about money that moved: charges, refunds, disputes. See `api` for errors and keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from billing.collection.gateways.stripe.api import PAGE, once, pages, send
from billing.collection.gateways.stripe.objects import REFUND_KEY, Json, data_of, inner, text, whole

TYPES_MAX: Final = 20  # that Stripe takes in one list


def charges_of(payment_intent_id: str) -> list[Json]:
    """Return every attempt to charge a card for a payment intent, newest first."""
    params: Any = {"payment_intent": payment_intent_id, "limit": PAGE}
    return pages(lambda client, after: client.v1.charges.list(params | after))


def payment_intent(payment_intent_id: str) -> Json:
    """Return a payment intent."""
    return send(lambda client: client.v1.payment_intents.retrieve(payment_intent_id))


def invoice_of_payment(payment_intent_id: str) -> Json:
    """Return the invoice that a payment intent pays; empty if it pays none."""
    params: Any = {
        "payment": {"type": "payment_intent", "payment_intent": payment_intent_id},
        "expand": ["data.invoice"],
    }
    found = data_of(send(lambda client: client.v1.invoice_payments.list(params)))
    return inner(found[0], "invoice") if found else {}


def refunds_of(payment_intent_id: str) -> list[Json]:
    """Return the refunds of a payment intent, newest first."""
    params: Any = {"payment_intent": payment_intent_id, "limit": PAGE}
    return pages(lambda client, after: client.v1.refunds.list(params | after))


def create_refund(payment_intent_id: str, *, amount: int, key: str) -> Json:
    """Refund money to the card that paid."""
    params: Any = {"payment_intent": payment_intent_id, "amount": amount, "metadata": {REFUND_KEY: key}}
    return send(lambda client: client.v1.refunds.create(params, once(f"refund:{payment_intent_id}:{key}")))


def disputes_of(payment_intent_id: str) -> list[Json]:
    """Return the disputes of a payment intent, newest first."""
    params: Any = {"payment_intent": payment_intent_id, "limit": PAGE}
    return pages(lambda client, after: client.v1.disputes.list(params | after))


# Lists since a moment, to reconcile with


def charges_since(since: datetime) -> list[Json]:
    """Return every charge of the account, newest first, with its entry in Stripe's balance."""
    params: Any = {**_created(since), "expand": ["data.balance_transaction"]}
    return pages(lambda client, after: client.v1.charges.list(params | after))


def refunds_since(since: datetime) -> list[Json]:
    """Return every refund of the account, newest first."""
    params: Any = _created(since)
    return pages(lambda client, after: client.v1.refunds.list(params | after))


def disputes_since(since: datetime) -> list[Json]:
    """Return every dispute of the account, newest first."""
    params: Any = _created(since)
    return pages(lambda client, after: client.v1.disputes.list(params | after))


def payouts_since(since: datetime) -> list[Json]:
    """Return every payout of the account, newest first."""
    params: Any = _created(since)
    return pages(lambda client, after: client.v1.payouts.list(params | after))


def parts_of_payout(payout_id: str) -> list[Json]:
    """Return the entries of Stripe's balance that a payout consists of, without its own."""
    params: Any = {"payout": payout_id, "limit": PAGE}
    found = pages(lambda client, after: client.v1.balance_transactions.list(params | after))
    return [one for one in found if text(one, "type") != "payout"]


def events_between(since: datetime, until: datetime, *, types: Sequence[str]) -> list[Json]:
    """Return the events of these types in a span, newest first."""
    span = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
    found: list[Json] = []
    for start in range(0, len(types), TYPES_MAX):
        params: Any = {"created": span, "types": list(types[start : start + TYPES_MAX]), "limit": PAGE}
        found += pages(lambda client, after, params=params: client.v1.events.list(params | after))  # type: ignore[misc]
    return sorted(found, key=lambda event: whole(event, "created"), reverse=True)


def _created(since: datetime) -> dict[str, object]:
    return {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
