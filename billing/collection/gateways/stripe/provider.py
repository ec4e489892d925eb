"""Stripe behind the provider protocol."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.errors import MalformedBodyError, NotFoundError
from billing.collection.domain.provider import (
    Agreement,
    AgreementEnd,
    AgreementState,
    Bill,
    CheckoutOrder,
    CustomerDetails,
    DeliveredRequest,
    EventSubject,
    IgnoredEvent,
    InboundEvent,
    MirroredModel,
    News,
    PaymentProvider,
    PreparedInvoice,
    ProviderDescription,
    RefundOrder,
    ReportedPayment,
    ReportedRefund,
)
from billing.collection.errors import PaymentDeclinedError, PaymentRefusedError, ProviderObjectError
from billing.collection.gateways.stripe import api, endpoint, mirror, money_api, news, samples
from billing.collection.gateways.stripe.attempts import failed_attempts, payment_intents_of, without_charge
from billing.collection.gateways.stripe.books import StripeBooks
from billing.collection.gateways.stripe.objects import (
    REFUND_KEY,
    Json,
    card_label,
    default_payment_method,
    inner,
    read_agreement,
    read_event,
    read_invoice,
    required,
    storable,
    text,
    to_stripe_amount,
    uuid_or_none,
    whole,
)
from billing.collection.gateways.stripe.refunds import read_refund
from billing.collection.gateways.stripe.signature import verify_signature
from billing.collection.gateways.stripe.usage import StripeMeters

# Stripe's clock and ours may differ.
CREATED_SLACK: Final = timedelta(days=1)
# An invoice that Stripe calls uncollectible can still be paid there.
_VOID: Final = "void"
_COLUMNS: Final = ("id", "livemode", "created", "djstripe_updated")
_FILTERS: Final = ("livemode",)
_LISTED: Final = (
    ("Customer", "Customers", "badge"),
    ("Subscription", "Subscriptions", "autorenew"),
    ("Invoice", "Invoices", "receipt_long"),
    ("Event", "Events", "bolt"),
)
_UNLISTED: Final = ("Account", "Charge", "PaymentIntent", "PaymentMethod", "Price", "Product", "Refund")
MIRROR: Final = (
    *(
        MirroredModel(f"djstripe.{name}", _COLUMNS, _FILTERS, "stripe_data", title, icon)
        for name, title, icon in _LISTED
    ),
    *(MirroredModel(f"djstripe.{name}", _COLUMNS, _FILTERS, "stripe_data") for name in _UNLISTED),
)


class StripeProvider:
    """Stripe: see `PaymentProvider` for what each method does."""

    name = "stripe"

    def describe(self) -> ProviderDescription:
        return ProviderDescription("Stripe", is_configured=api.is_configured(), mirror=MIRROR, charges_at_checkout=True)

    # Customers

    def ensure_customer(self, tenant_id: UUID, details: CustomerDetails) -> str:
        reference = required(api.create_customer(tenant_id=tenant_id), "id")
        while api.customer(reference).get("deleted") is True:  # the same request gets the same response for a day
            reference = required(api.create_customer(tenant_id=tenant_id, replaces=reference), "id")
        return reference

    def update_customer(self, reference: str, details: CustomerDetails) -> None:
        mirror.mirror_object(api.describe_customer(reference, details))

    def start_checkout(self, order: CheckoutOrder) -> str:
        return required(api.start_checkout(order), "url")

    def open_portal(self, *, customer_reference: str, return_url: str) -> str:
        return required(api.open_portal(customer_id=customer_reference, return_url=return_url), "url")

    def ensure_card(self, agreement: Agreement) -> str:
        customer_id = agreement.customer_reference
        method = default_payment_method(api.customer(customer_id))
        if method is None and agreement.card_reference and agreement.state is AgreementState.LIVE:
            charged = api.charge_invoices_to(customer_id, payment_method_id=agreement.card_reference)
            method = default_payment_method(charged)
        return card_label(method)

    # Invoices

    def prepare_invoice(self, bill: Bill) -> PreparedInvoice:
        since = bill.finalized_at - CREATED_SLACK
        there = api.invoices_for(bill.invoice_id, customer_id=bill.customer_reference, since=since)
        going_on = [item for item in there if text(item, "status") != _VOID]
        described = going_on[-1] if going_on else api.create_invoice(bill, generation=len(there))
        if text(described, "status") == "draft":
            _fill(described, bill)
        return PreparedInvoice(
            reference=required(described, "id"),
            is_draft=text(described, "status") == "draft" or _awaits_first_charge(described),
            is_charged=text(described, "collection_method") == "charge_automatically",
            payment_url=text(described, "hosted_invoice_url"),
            void_references=tuple(required(item, "id") for item in there if text(item, "status") == _VOID),
        )

    def release_invoice(self, prepared: PreparedInvoice) -> str:
        described = api.invoice(prepared.reference)
        if text(described, "status") == "draft":
            described = api.finalize_invoice(prepared.reference)
        if prepared.is_charged and _awaits_first_charge(described):
            with suppress(PaymentRefusedError):  # declined, or no card: an event reports it, and the link pays it
                api.pay_invoice(prepared.reference, attempt="first")
        return read_invoice(described).hosted_url

    def charge_again(self, reference: str, *, attempt: str) -> ReportedPayment:
        try:
            described = api.pay_invoice(reference, attempt=attempt)
        except PaymentDeclinedError as declined:
            return _declined(reference, declined)
        except PaymentRefusedError as refused:
            if refused.reason != "invoice_already_paid":
                raise
            described = api.invoice(reference)
        return news.read_payment(read_invoice(described), None)

    def take_back(self, reference: str) -> bool:
        status = text(api.invoice(reference), "status")
        if status == "draft":
            api.delete_draft_invoice(reference)
        elif status not in {_VOID, "paid"}:
            api.void_invoice(reference)
        return status != "paid"

    def refund(self, order: RefundOrder) -> ReportedRefund:
        intent_id = _intent_of(order.payment_reference)
        for made in money_api.refunds_of(intent_id):
            if text(inner(made, "metadata"), REFUND_KEY) == order.key:
                return read_refund(made)
        amount = to_stripe_amount(order.amount_minor, order.currency)
        return read_refund(money_api.create_refund(intent_id, amount=amount, key=order.key))

    # Agreements

    def end_agreement(self, reference: str, end: AgreementEnd) -> Agreement:
        if end is AgreementEnd.NOW:
            return read_agreement(api.end_agreement(reference))
        is_ending = end is AgreementEnd.WITH_PERIOD
        return read_agreement(api.end_agreement_with_period(reference, is_ending=is_ending))

    # Inbound webhooks

    def read_delivery(self, request: DeliveredRequest, *, as_of: datetime) -> InboundEvent:
        uuid = uuid_or_none(request.address)
        secret = None if uuid is None else endpoint.endpoint_secret(uuid)
        if secret is None:
            raise NotFoundError
        header = request.headers.get("Stripe-Signature", "")
        verify_signature(header=header, body=request.body, secret=secret, as_of=as_of)
        try:
            payload = storable(json.loads(request.body))
            event = read_event(payload)
            json.dumps(payload, allow_nan=False)
        except (ValueError, RecursionError, ProviderObjectError) as error:
            raise MalformedBodyError("The body is no event of Stripe's.") from error
        return InboundEvent(event.id, event.type, payload, news.THIN_REASON if event.is_thin else "")

    def subject_of(self, event: InboundEvent) -> EventSubject | IgnoredEvent:
        return news.subject_of(event)

    def look_up(self, event: InboundEvent, subject: EventSubject) -> News | IgnoredEvent:
        return news.look_up(event, subject)

    # Optional capabilities

    def usage_meters(self) -> StripeMeters:
        return StripeMeters()

    def books(self) -> StripeBooks:
        return StripeBooks()

    def set_up(self, *, currencies: Sequence[str]) -> list[str]:
        said = [endpoint.ensure_endpoint()]
        said += [f"agreement in {currency}: {api.agreement_price(currency)}" for currency in currencies]
        return said

    def sample_deliveries(self, *, as_of: datetime) -> Sequence[DeliveredRequest]:
        return samples.sample_deliveries(as_of=as_of)


def _awaits_first_charge(described: Json) -> bool:
    """Return whether an invoice was finalized to be charged, and no attempt was made yet."""
    is_charged = text(described, "collection_method") == "charge_automatically"
    return is_charged and text(described, "status") == "open" and described.get("attempted") is not True


def _declined(reference: str, declined: PaymentDeclinedError) -> ReportedPayment:
    """Return the attempt that was declined, as its event will report it."""
    described = api.invoice(reference)
    failed = {attempt.reference: attempt for attempt in failed_attempts(described)}
    if attempt := failed.get(declined.attempt_reference):
        return attempt
    if failed:
        return list(failed.values())[-1]
    collected = read_invoice(described)
    return without_charge(described, reference=f"{collected.id}#{collected.attempt_count}", occurred_at=None)


def _intent_of(payment_reference: str) -> str:
    """Return the payment intent of a payment, which is named by it or by its invoice."""
    if payment_reference.startswith("pi_"):
        return payment_reference
    intents = payment_intents_of(api.invoice(payment_reference))
    paid = [required(intent, "id") for intent in intents if text(intent, "status") == "succeeded"]
    if not paid:
        raise PaymentRefusedError(f"No card paid {payment_reference}: give the money back in another way.")
    return paid[0]


def _fill(draft: Json, bill: Bill) -> None:
    """Add our total to the draft, unless it is there. The lines and the tax are on our invoice."""
    amount = to_stripe_amount(bill.total_minor, bill.currency)
    standing = whole(draft, "total")
    if standing == amount:
        return
    if standing:
        raise ProviderObjectError(f"Stripe's draft {required(draft, 'id')} is over {standing}, ours over {amount}.")
    api.add_invoice_item(
        stripe_invoice_id=required(draft, "id"),
        customer_id=bill.customer_reference,
        amount=amount,
        currency=bill.currency,
        description=f"Invoice {bill.number}",
    )


PROVIDER: Final[PaymentProvider] = StripeProvider()
