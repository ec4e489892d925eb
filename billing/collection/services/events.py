"""What Stripe's events change here. An event says that something happened to an object; what is applied is how the object is *now*.

So the number and the order of deliveries do not matter, as long as nobody applies an older answer over a newer one. That is held by
`BillingProfile.stripe_revision`: it is read before Stripe is asked, and counted up in the transaction that applies the answer; who finds
that it moved meanwhile asks again. An attempt to pay that failed is the one thing that is taken from the event itself: it is a fact
that does not change, and the object does not remember it. The network is asked outside of any transaction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import F

from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe import mirror as stripe_mirror
from billing.collection.gateways.stripe.objects import (
    Agreement,
    AgreementState,
    CollectedInvoice,
    Json,
    StripeEvent,
    card_label,
    default_payment_method,
    from_stripe_amount,
    id_in,
    read_agreement,
    read_invoice,
    text,
    whole,
)
from billing.collection.selectors.work import profile_of_customer
from billing.collection.services.agreements import apply_agreement, is_superfluous
from billing.errors import StripeObjectError
from billing.models import BillingProfile, Invoice, PaymentProvider
from billing.services.invoicing.payments import record_failed_payment, record_payment

FAILED: Final = "invoice.payment_failed"


class StateMovedError(Exception):
    """Somebody applied a newer answer of Stripe's since this one was asked for."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event is none of ours."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What Stripe said, ready to be applied in a transaction. `apply` answers in a sentence what it did."""

    profile: BillingProfile
    apply: Callable[[datetime], str]
    remarks: str = ""


Handler = Callable[[StripeEvent], Answer | Ignored]


def ask_about(event: StripeEvent) -> Answer | Ignored:
    """Ask Stripe how things stand. Raises `PaymentProviderError`, `PaymentRefusedError`, `StripeObjectError`."""
    if event.is_thin:
        return Ignored("a thin event (v2): Stripe sends what we handle as snapshots")
    handler = HANDLERS.get(event.type)
    if handler is None:
        return Ignored("an event of a type that changes nothing here")
    return handler(event)


def apply_answer(answer: Answer, as_of: datetime) -> str:
    """Apply what Stripe said, inside of a transaction. Raises `StateMovedError` where a newer answer was applied meanwhile."""
    seen = BillingProfile.objects.filter(pk=answer.profile.pk, stripe_revision=answer.profile.stripe_revision)
    if seen.update(stripe_revision=F("stripe_revision") + 1) != 1:
        raise StateMovedError
    done = answer.apply(as_of)
    return f"{done}; {answer.remarks}" if answer.remarks else done


# Agreements


def _ask_about_checkout(event: StripeEvent) -> Answer | Ignored:
    session = stripe_api.checkout_session(event.object_id)
    subscription_id = id_in(session, "subscription")
    if text(session, "status") != "complete" or not subscription_id:
        return Ignored("a checkout that made no agreement")
    remarks = stripe_mirror.mirror_object(session)
    return _ask_about_agreement(id_in(session, "customer"), subscription_id, remarks)


def _ask_about_subscription(event: StripeEvent) -> Answer | Ignored:
    return _ask_about_agreement(event.customer_id, event.object_id)


def _ask_about_agreement(customer_id: str, subscription_id: str, remarks: str = "") -> Answer | Ignored:
    profile = profile_of_customer(customer_id)  # with its revision: read before Stripe is asked
    if profile is None:
        return Ignored(f"{customer_id or 'its customer'} is no customer of ours")
    described = stripe_api.agreement(subscription_id)
    agreement = read_agreement(described)
    if agreement.tenant_id is None:
        return Ignored("a subscription that was not made by our checkout")
    if agreement.tenant_id != profile.tenant_id or agreement.customer_id != customer_id:
        raise StripeObjectError(f"{agreement.id} names another tenant than its customer {customer_id} is.")
    if is_superfluous(agreement, profile.tenant):
        stripe_api.end_agreement(agreement.id)
        return Ignored("a second agreement: ended at Stripe")
    label = _card_of(customer_id, agreement)
    remarks = "; ".join(said for said in (remarks, stripe_mirror.mirror_object(_unexpanded(described))) if said)

    def apply(as_of: datetime) -> str:
        BillingProfile.objects.filter(pk=profile.pk).update(card_label=label)
        return apply_agreement(agreement=agreement, tenant=profile.tenant, as_of=as_of)

    return Answer(profile, apply, remarks)


def _card_of(customer_id: str, agreement: Agreement) -> str:
    """The label of the card that our invoices are charged to; the one given at checkout, if there is no other yet."""
    described = stripe_api.customer(customer_id)
    method = default_payment_method(described)
    if method is None and agreement.payment_method and agreement.state is AgreementState.LIVE:
        method_id = text(agreement.payment_method, "id")
        method = default_payment_method(stripe_api.charge_invoices_to(customer_id, payment_method_id=method_id))
    return card_label(method)


def _unexpanded(described: Json) -> Json:
    """A subscription as dj-stripe wants it: it makes no difference between a card inside and one that it knows."""
    return {**described, "default_payment_method": id_in(described, "default_payment_method") or None}


def _ask_about_customer(event: StripeEvent) -> Answer | Ignored:
    profile = profile_of_customer(event.customer_id)
    if profile is None:
        return Ignored(f"{event.customer_id or 'it'} is no customer of ours")
    described = stripe_api.customer(event.customer_id)
    if described.get("deleted") is True:
        raise StripeObjectError(f"The customer {event.customer_id} of {profile.tenant.slug} was deleted at Stripe.")
    label = card_label(default_payment_method(described))

    def apply(_as_of: datetime) -> str:
        BillingProfile.objects.filter(pk=profile.pk).update(card_label=label)
        return f"the card is {label or 'none'}"

    return Answer(profile, apply, "")


# Invoices


def _ask_about_invoice(event: StripeEvent) -> Answer | Ignored:
    profile = profile_of_customer(event.customer_id)
    if profile is None:
        return Ignored(f"{event.customer_id or 'its customer'} is no customer of ours")
    described = stripe_api.invoice(event.object_id)
    collected = read_invoice(described)
    if collected.invoice_id is None:
        return Ignored("an invoice at Stripe that collects none of ours")
    invoice = Invoice.objects.filter(pk=collected.invoice_id, tenant_id=profile.tenant_id).first()
    if invoice is None or collected.customer_id != event.customer_id:
        raise StripeObjectError(f"{collected.id} names an invoice of ours that is not its customer's.")
    remarks = stripe_mirror.mirror_object({**described, "payments": None})

    def apply(as_of: datetime) -> str:
        return _apply_invoice(event, collected, as_of)

    return Answer(profile, apply, remarks)


def _apply_invoice(event: StripeEvent, collected: CollectedInvoice, as_of: datetime) -> str:
    assert collected.invoice_id is not None, "asked about one of ours"
    done = []
    if event.type == FAILED:
        _record_failure(event, collected, collected.invoice_id, as_of)
        done.append("a failed attempt is on record")
    if collected.status == "paid":
        paid = record_payment(
            invoice_id=collected.invoice_id,
            provider=PaymentProvider.STRIPE,
            reference=collected.id,
            # All of it is settled, also where Stripe took a part from a balance that it keeps for the customer.
            amount_minor=from_stripe_amount(collected.total, collected.currency),
            currency=collected.currency,
            occurred_at=collected.paid_at or event.created_at or as_of,
            as_of=as_of,
        )
        done.append(f"{paid.number} is {paid.status}")
    return ", ".join(done) or f"nothing: at Stripe it is {collected.status}"


def _record_failure(event: StripeEvent, collected: CollectedInvoice, invoice_id: UUID, as_of: datetime) -> None:
    """Keep the attempt that this event tells of, under its own number: later attempts have other events."""
    attempt = whole(event.object, "attempt_count")
    record_failed_payment(
        invoice_id=invoice_id,
        provider=PaymentProvider.STRIPE,
        reference=f"{collected.id}#{attempt}" if attempt else event.id,
        amount_minor=from_stripe_amount(collected.amount_due, collected.currency),
        currency=collected.currency,
        error=collected.error or "The payment failed.",
        occurred_at=event.created_at or as_of,
        as_of=as_of,
    )


HANDLERS: Final[Mapping[str, Handler]] = {
    "checkout.session.completed": _ask_about_checkout,
    "customer.subscription.created": _ask_about_subscription,
    "customer.subscription.updated": _ask_about_subscription,
    "customer.subscription.deleted": _ask_about_subscription,
    "customer.updated": _ask_about_customer,
    "invoice.paid": _ask_about_invoice,
    "invoice.payment_succeeded": _ask_about_invoice,
    FAILED: _ask_about_invoice,
}
EVENT_TYPES: Final = tuple(HANDLERS)
