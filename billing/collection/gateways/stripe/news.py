"""The subjects of Stripe's events, and their current state, as values of the provider protocol.

An event says that an object changed; the *current* state of the object is fetched from Stripe.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from billing.collection.domain.provider import (
    AgreementNews,
    AgreementState,
    CardNews,
    EventSubject,
    IgnoredEvent,
    InboundEvent,
    InvoiceNews,
    News,
    PaymentNews,
    ReportedPayment,
)
from billing.collection.errors import CustomerGoneError
from billing.collection.gateways.stripe import api, mirror, money_api
from billing.collection.gateways.stripe.attempts import failed_attempts, without_charge
from billing.collection.gateways.stripe.objects import (
    CHECKOUT_KEY,
    TENANT_KEY,
    CollectedInvoice,
    Json,
    StripeEvent,
    card_label,
    default_payment_method,
    from_stripe_amount,
    id_in,
    inner,
    instant,
    read_agreement,
    read_event,
    read_invoice,
    required,
    required_whole,
    text,
    uuid_or_none,
    whole,
)
from billing.collection.gateways.stripe.refunds import read_dispute, read_refund

AGREEMENT: Final = "agreement"
CHECKOUT: Final = "checkout"
CUSTOMER: Final = "customer"
INVOICE: Final = "invoice"
PAYMENT: Final = "payment"
FAILED: Final = "invoice.payment_failed"
MUST_CONFIRM: Final = "invoice.payment_action_required"
KIND_OF: Final[Mapping[str, str]] = {
    "checkout.session.completed": CHECKOUT,
    "checkout.session.async_payment_succeeded": CHECKOUT,
    "customer.subscription.created": AGREEMENT,
    "customer.subscription.updated": AGREEMENT,
    "customer.subscription.deleted": AGREEMENT,
    "customer.updated": CUSTOMER,
    "customer.deleted": CUSTOMER,
    "invoice.paid": INVOICE,
    "invoice.payment_succeeded": INVOICE,
    FAILED: INVOICE,
    MUST_CONFIRM: INVOICE,
    "charge.refunded": PAYMENT,
    "refund.created": PAYMENT,
    "refund.updated": PAYMENT,
    "refund.failed": PAYMENT,
    "charge.dispute.created": PAYMENT,
    "charge.dispute.updated": PAYMENT,
    "charge.dispute.closed": PAYMENT,
    "charge.dispute.funds_withdrawn": PAYMENT,
    "charge.dispute.funds_reinstated": PAYMENT,
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
    if kind == PAYMENT:
        return _payment_of(event)
    return EventSubject(kind, event.object_id, event.customer_id)


def _agreement_of_checkout(event: StripeEvent) -> EventSubject | IgnoredEvent:
    """Return the agreement of a checkout, which is created now if a card was given and what was due is paid."""
    session = api.checkout_session(event.object_id)
    if text(session, "status") != "complete" or uuid_or_none(text(inner(session, "metadata"), TENANT_KEY)) is None:
        return IgnoredEvent("a checkout that made no agreement")
    if text(session, "payment_status") == "unpaid":
        return IgnoredEvent("a checkout that is not paid yet")
    intent = inner(session, "payment_intent") or inner(session, "setup_intent")
    card = id_in(intent, "payment_method")
    if not card:
        return IgnoredEvent("a checkout without a card")
    agreed = api.agreement_of_checkout(session, payment_method_id=card)
    unexpanded = {**session, **{name: id_in(session, name) or None for name in ("payment_intent", "setup_intent")}}
    return EventSubject(AGREEMENT, required(agreed, "id"), id_in(session, "customer"), mirror.mirror_object(unexpanded))


def _payment_of(event: StripeEvent) -> EventSubject | IgnoredEvent:
    """Return the payment that a charge, a refund or a dispute is about: neither of the latter names its customer."""
    intent_id = id_in(event.object, "payment_intent")
    if not intent_id:
        return IgnoredEvent("a charge without a payment intent is none of ours")
    intent = money_api.payment_intent(intent_id)
    return EventSubject(PAYMENT, intent_id, id_in(intent, "customer"))


def look_up(inbound: InboundEvent, subject: EventSubject) -> News | IgnoredEvent:
    """Fetch the current state of the subject from Stripe."""
    event = read_event(inbound.payload)
    return LOOK_UPS[subject.kind](event, subject)


def _agreement_now(_event: StripeEvent, subject: EventSubject) -> News | IgnoredEvent:
    described = api.agreement(subject.reference)
    agreement = read_agreement(described)
    if agreement.tenant_id is None:
        return IgnoredEvent("a subscription that was not made by our checkout")
    if agreement.state is AgreementState.ENDED and api.customer(agreement.customer_reference).get("deleted") is True:
        # It ended with its customer, which does not end the subscription here.
        raise CustomerGoneError(f"The customer {agreement.customer_reference} was deleted at Stripe.")
    payment = _paid_at_checkout(text(inner(described, "metadata"), CHECKOUT_KEY))
    copied = mirror.mirror_object(_unexpanded(described))
    return AgreementNews(agreement, "; ".join(said for said in (subject.remarks, copied) if said), payment)


def _paid_at_checkout(session_id: str) -> ReportedPayment | None:
    """Return what the customer paid when it agreed."""
    if not session_id:
        return None
    session = api.checkout_session(session_id)
    intent = inner(session, "payment_intent")
    if text(intent, "status") != "succeeded":
        return None
    currency = required(intent, "currency").upper()
    return ReportedPayment(
        reference=required(intent, "id"),
        amount_minor=from_stripe_amount(required_whole(intent, "amount_received"), currency),
        currency=currency,
        occurred_at=instant(intent, "created"),
    )


def _unexpanded(described: Json) -> Json:
    """Return a subscription in the form that dj-stripe accepts, which treats an expanded card as known."""
    return {**described, "default_payment_method": id_in(described, "default_payment_method") or None}


def _customer_now(_event: StripeEvent, subject: EventSubject) -> News | IgnoredEvent:
    described = api.customer(subject.reference)
    if described.get("deleted") is True:
        raise CustomerGoneError(f"The customer {subject.reference} was deleted at Stripe.")
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
        payment=read_payment(collected, event.created_at) if collected.status == "paid" else None,
        failures=_failures(event, described) if event.type in {FAILED, MUST_CONFIRM} else (),
        remarks=mirror.mirror_object({**described, "payments": None}),
    )


def read_payment(collected: CollectedInvoice, told_at: datetime | None) -> ReportedPayment:
    """Return the payment of a paid invoice: the whole total, also if a part was the customer's balance at Stripe."""
    return ReportedPayment(
        reference=collected.id,
        amount_minor=from_stripe_amount(collected.total, collected.currency),
        currency=collected.currency,
        occurred_at=collected.paid_at or told_at,
    )


def _failures(event: StripeEvent, described: Json) -> tuple[ReportedPayment, ...]:
    """Return every failed charge of the invoice; if no card was charged, the attempt that the event reports."""
    failed = failed_attempts(described)
    if failed or event.type == MUST_CONFIRM:
        return failed
    attempt = whole(event.object, "attempt_count")
    reference = f"{event.object_id}#{attempt}" if attempt else event.id
    return (without_charge(described, reference=reference, occurred_at=event.created_at),)


def _payment_now(event: StripeEvent, subject: EventSubject) -> News | IgnoredEvent:
    described = money_api.invoice_of_payment(subject.reference)
    if described:
        collected = read_invoice(described)
        if collected.invoice_id is None:
            return IgnoredEvent("a payment of an invoice at Stripe that collects none of ours")
        reference, invoice_id = collected.id, collected.invoice_id
        payment = read_payment(collected, event.created_at) if collected.status == "paid" else None
    else:
        intent = money_api.payment_intent(subject.reference)
        if uuid_or_none(text(inner(intent, "metadata"), TENANT_KEY)) is None:
            return IgnoredEvent("a payment that was not made by our checkout")
        reference, invoice_id, payment = subject.reference, None, None
    return PaymentNews(
        payment_reference=reference,
        customer_reference=subject.customer_reference,
        refunds=tuple(read_refund(refund) for refund in money_api.refunds_of(subject.reference)),
        disputes=tuple(read_dispute(dispute) for dispute in money_api.disputes_of(subject.reference)),
        invoice_id=invoice_id,
        payment=payment,
    )


LOOK_UPS: Final[Mapping[str, Callable[[StripeEvent, EventSubject], News | IgnoredEvent]]] = {
    AGREEMENT: _agreement_now,
    CUSTOMER: _customer_now,
    INVOICE: _invoice_now,
    PAYMENT: _payment_now,
}
