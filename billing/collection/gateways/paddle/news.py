"""The subjects of Paddle's events, and their current state, as values of the provider protocol.

An event says that an object changed; the *current* state of the object is fetched from Paddle. So the order of events,
by `occurred_at` or by delivery, does not matter.
"""

from collections.abc import Callable, Mapping
from typing import Final

from billing.collection.domain.json_values import text
from billing.collection.domain.provider import (
    AgreementNews,
    CardNews,
    EventSubject,
    IgnoredEvent,
    InboundEvent,
    InvoiceNews,
    News,
    PaymentNews,
)
from billing.collection.gateways.paddle import api, cards
from billing.collection.gateways.paddle.adjustments import read_disputes, read_refunds
from billing.collection.gateways.paddle.objects import PAUSED, read_agreement, read_event, read_transaction

AGREEMENT: Final = "agreement"
CUSTOMER: Final = "customer"
INVOICE: Final = "invoice"
PAYMENT: Final = "payment"
KIND_OF: Final[Mapping[str, str]] = {
    "subscription.created": AGREEMENT,
    "subscription.imported": AGREEMENT,
    "subscription.trialing": AGREEMENT,
    "subscription.activated": AGREEMENT,
    "subscription.updated": AGREEMENT,
    "subscription.canceled": AGREEMENT,
    "subscription.past_due": AGREEMENT,
    "subscription.paused": AGREEMENT,
    "subscription.resumed": AGREEMENT,
    "transaction.paid": INVOICE,
    "transaction.completed": INVOICE,
    "transaction.payment_failed": INVOICE,
    "transaction.past_due": INVOICE,
    "transaction.canceled": INVOICE,
    "transaction.updated": INVOICE,
    "adjustment.created": PAYMENT,
    "adjustment.updated": PAYMENT,
    "customer.created": CUSTOMER,
    "customer.imported": CUSTOMER,
    "customer.updated": CUSTOMER,
}
EVENT_TYPES: Final = tuple(KIND_OF)
UNKNOWN_TYPE: Final = "an event of a type that changes nothing here"


def subject_of(inbound: InboundEvent) -> EventSubject | IgnoredEvent:
    """Return the subject of an event."""
    event = read_event(inbound.payload)
    kind = KIND_OF.get(event.type)
    if kind is None:
        return IgnoredEvent(UNKNOWN_TYPE)
    reference = text(event.data, "transaction_id" if kind == PAYMENT else "id")
    return EventSubject(kind, reference, reference if kind == CUSTOMER else text(event.data, "customer_id"))


def look_up(subject: EventSubject) -> News | IgnoredEvent:
    """Fetch the current state of the subject from Paddle."""
    return LOOK_UPS[subject.kind](subject)


def _agreement_now(subject: EventSubject) -> News | IgnoredEvent:
    agreement = read_agreement(api.subscription(subject.reference))
    if agreement.tenant_id is None:
        return IgnoredEvent("a subscription that was not made by our checkout")
    paused = "paused at Paddle: not charged until it is resumed there" if agreement.status == PAUSED else ""
    return AgreementNews(agreement, paused)


def _customer_now(subject: EventSubject) -> News | IgnoredEvent:
    return CardNews(cards.card_of_customer(subject.reference))


def _invoice_now(subject: EventSubject) -> News | IgnoredEvent:
    collected = read_transaction(api.transaction(subject.reference))
    if collected.invoice_id is None:
        return IgnoredEvent("a transaction at Paddle that collects none of our documents")
    return InvoiceNews(
        reference=collected.id,
        customer_reference=collected.customer_id,
        invoice_id=collected.invoice_id,
        status=collected.status,
        payment=collected.payment,
        failures=collected.failures,
    )


def _payment_now(subject: EventSubject) -> News | IgnoredEvent:
    collected = read_transaction(api.transaction(subject.reference))
    if collected.invoice_id is None:
        return IgnoredEvent("an adjustment of a transaction that collects none of our documents")
    adjustments = api.adjustments_of(collected.id)
    return PaymentNews(
        payment_reference=collected.id,
        customer_reference=collected.customer_id,
        refunds=read_refunds(adjustments),
        disputes=read_disputes(adjustments),
        invoice_id=collected.invoice_id,
        payment=collected.payment,
    )


LOOK_UPS: Final[Mapping[str, Callable[[EventSubject], News | IgnoredEvent]]] = {
    AGREEMENT: _agreement_now,
    CUSTOMER: _customer_now,
    INVOICE: _invoice_now,
    PAYMENT: _payment_now,
}
