"""The subjects of Stripe's events, and their current state, as values of the provider protocol.

An event says that an object changed; the *current* state of the object is fetched from Stripe. Only a failed attempt to
pay is read from the event itself: it never changes, and the object does not keep it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from billing.collection.domain.provider import (
    AgreementNews,
    CardNews,
    EventSubject,
    IgnoredEvent,
    InboundEvent,
    InvoiceNews,
    News,
    ReportedPayment,
)
from billing.collection.errors import ProviderObjectError
from billing.collection.gateways.stripe import api, mirror
from billing.collection.gateways.stripe.objects import (
    CollectedInvoice,
    Json,
    StripeEvent,
    card_label,
    default_payment_method,
    from_stripe_amount,
    id_in,
    read_agreement,
    read_event,
    read_invoice,
    text,
    whole,
)

AGREEMENT: Final = "agreement"
CHECKOUT: Final = "checkout"
CUSTOMER: Final = "customer"
INVOICE: Final = "invoice"
FAILED: Final = "invoice.payment_failed"
KIND_OF: Final[Mapping[str, str]] = {
    "checkout.session.completed": CHECKOUT,
    "customer.subscription.created": AGREEMENT,
    "customer.subscription.updated": AGREEMENT,
    "customer.subscription.deleted": AGREEMENT,
    "customer.updated": CUSTOMER,
    "invoice.paid": INVOICE,
    "invoice.payment_succeeded": INVOICE,
    FAILED: INVOICE,
}
EVENT_TYPES: Final = tuple(KIND_OF)
THIN_REASON: Final = "a thin event (v2): the events that we handle are snapshots"


def subject_of(inbound: InboundEvent) -> EventSubject | IgnoredEvent:
    """Return the subject of an event; for a checkout, the agreement that it created."""
    event = read_event(inbound.payload)
    if event.is_thin:
        return IgnoredEvent(THIN_REASON)
    kind = KIND_OF.get(event.type)
    if kind is None:
        return IgnoredEvent("an event of a type that changes nothing here")
    if kind == CHECKOUT:
        return _agreement_of_checkout(event)
    return EventSubject(kind, event.object_id, event.customer_id)


def _agreement_of_checkout(event: StripeEvent) -> EventSubject | IgnoredEvent:
    session = api.checkout_session(event.object_id)
    subscription_id = id_in(session, "subscription")
    if text(session, "status") != "complete" or not subscription_id:
        return IgnoredEvent("a checkout that made no agreement")
    return EventSubject(AGREEMENT, subscription_id, id_in(session, "customer"), mirror.mirror_object(session))


def look_up(inbound: InboundEvent, subject: EventSubject) -> News | IgnoredEvent:
    """Fetch the current state of the subject from Stripe."""
    event = read_event(inbound.payload)
    return LOOK_UPS[subject.kind](event, subject)


def _agreement_now(_event: StripeEvent, subject: EventSubject) -> News | IgnoredEvent:
    described = api.agreement(subject.reference)
    agreement = read_agreement(described)
    if agreement.tenant_id is None:
        return IgnoredEvent("a subscription that was not made by our checkout")
    copied = mirror.mirror_object(_unexpanded(described))
    return AgreementNews(agreement, "; ".join(said for said in (subject.remarks, copied) if said))


def _unexpanded(described: Json) -> Json:
    """Return a subscription in the form that dj-stripe accepts, which treats an expanded card as known."""
    return {**described, "default_payment_method": id_in(described, "default_payment_method") or None}


def _customer_now(_event: StripeEvent, subject: EventSubject) -> News | IgnoredEvent:
    described = api.customer(subject.reference)
    if described.get("deleted") is True:
        raise ProviderObjectError(f"The customer {subject.reference} was deleted at Stripe.")
    return CardNews(card_label(default_payment_method(described)))


def _invoice_now(event: StripeEvent, subject: EventSubject) -> News | IgnoredEvent:
    described = api.invoice(subject.reference)
    collected = read_invoice(described)
    if collected.invoice_id is None:
        return IgnoredEvent("an invoice at Stripe that collects none of ours")
    return InvoiceNews(
        reference=collected.id,
        customer_reference=collected.customer_id,
        invoice_id=collected.invoice_id,
        status=collected.status,
        payment=_payment(event, collected) if collected.status == "paid" else None,
        failure=_failure(event, collected) if event.type == FAILED else None,
        remarks=mirror.mirror_object({**described, "payments": None}),
    )


def _payment(event: StripeEvent, collected: CollectedInvoice) -> ReportedPayment:
    return ReportedPayment(
        reference=collected.id,
        # The whole invoice is settled, also if Stripe took a part from the customer's balance there.
        amount_minor=from_stripe_amount(collected.total, collected.currency),
        currency=collected.currency,
        occurred_at=collected.paid_at or event.created_at,
    )


def _failure(event: StripeEvent, collected: CollectedInvoice) -> ReportedPayment:
    """Return the failed attempt of this event, under its own number: later attempts have other events."""
    attempt = whole(event.object, "attempt_count")
    return ReportedPayment(
        reference=f"{collected.id}#{attempt}" if attempt else event.id,
        amount_minor=from_stripe_amount(collected.amount_due, collected.currency),
        currency=collected.currency,
        occurred_at=event.created_at,
        error=collected.error or "The payment failed.",
    )


LOOK_UPS: Final[Mapping[str, Callable[[StripeEvent, EventSubject], News | IgnoredEvent]]] = {
    AGREEMENT: _agreement_now,
    CUSTOMER: _customer_now,
    INVOICE: _invoice_now,
}
