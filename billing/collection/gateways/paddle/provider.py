"""Paddle behind the provider protocol: the merchant of record, to which amounts without tax are sent.

A document of ours becomes one charge on the customer's subscription, or a transaction that it pays on a page. Paddle
has no idempotency keys and no draft of a charge, so what is to be charged has a name of ours (`due:…`) until its
transaction is found, and one worker at a time releases it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings as django_settings
from django.core.cache import cache

from accounts.errors import MalformedBodyError, NotFoundError
from billing.collection.domain.json_values import Json, inner, storable, text, uuid_or_none
from billing.collection.domain.provider import (
    Agreement,
    AgreementEnd,
    Bill,
    CheckoutOrder,
    CustomerDetails,
    DeliveredRequest,
    EventSubject,
    IgnoredEvent,
    InboundEvent,
    News,
    PaymentProvider,
    PreparedInvoice,
    ProviderDescription,
    RefundOrder,
    ReportedPayment,
    ReportedRefund,
)
from billing.collection.errors import PaymentProviderError, PaymentRefusedError, ProviderObjectError
from billing.collection.gateways.paddle import api, cards, news, samples, settings
from billing.collection.gateways.paddle.adjustments import read_refunds
from billing.collection.gateways.paddle.books import PaddleBooks
from billing.collection.gateways.paddle.objects import (
    CANCELED,
    PAID,
    TENANT_KEY,
    CollectedTransaction,
    is_chargeable,
    read_agreement,
    read_event,
    read_transaction,
    required,
)
from billing.collection.gateways.paddle.signature import HEADER, verify_signature

TITLE: Final = "Paddle"
CREATED_SLACK: Final = timedelta(days=1)
REFUND_CLAIM_SECONDS: Final = 300
_DUE: Final = "due"


@dataclass(frozen=True)
class _ToCharge(PreparedInvoice):
    """What is to be charged: nothing of it is at Paddle yet."""

    bill: Bill | None = None


class PaddleProvider:
    """Paddle: see `PaymentProvider` for what each method does."""

    name = "paddle"

    def describe(self) -> ProviderDescription:
        return ProviderDescription(TITLE, is_configured=api.is_configured(), merchant_of_record=TITLE)

    # Customers

    def ensure_customer(self, tenant_id: UUID, details: CustomerDetails) -> str:
        if not details.email:
            raise PaymentRefusedError("Paddle needs an e-mail address for bills.", reason="no_email")
        for email in (details.email, _tagged(details.email, tenant_id)):
            found = _customer_with(email, tenant_id, details.name)
            if found:
                return found
        raise ProviderObjectError(f"Paddle's customers with {details.email} are of other tenants.")

    def update_customer(self, reference: str, details: CustomerDetails) -> None:
        known = api.customer(reference)
        changes: dict[str, object] = {}
        if details.name and text(known, "name") != details.name:
            changes["name"] = details.name
        tenant_id = uuid_or_none(text(inner(known, "custom_data"), TENANT_KEY))
        kept = {details.email, "" if tenant_id is None else _tagged(details.email, tenant_id)}
        if details.email and text(known, "email") not in kept:
            changes["email"] = details.email
        if text(known, "status") == "archived":
            changes["status"] = "active"
        if not changes:
            return
        try:
            api.update_customer(reference, changes)
        except PaymentRefusedError as error:
            if error.reason != api.EMAIL_TAKEN:
                raise
            # Another customer there has the address: ours keeps the one it has.
            if kept_changes := {name: value for name, value in changes.items() if name != "email"}:
                api.update_customer(reference, kept_changes)

    def start_checkout(self, order: CheckoutOrder) -> str:
        return _page_of(api.start_checkout(order))

    def open_portal(self, *, customer_reference: str, return_url: str) -> str:
        going_on = [one for one in api.subscriptions_of(customer_reference) if text(one, "status") != CANCELED]
        return api.open_portal(customer_reference, subscription_ids=[required(one, "id") for one in going_on])

    def ensure_card(self, agreement: Agreement) -> str:
        return cards.card_of_customer(agreement.customer_reference)

    # Invoices

    def prepare_invoice(self, bill: Bill) -> PreparedInvoice:
        there = _transactions_for(bill.invoice_id, bill.customer_reference, since=bill.finalized_at - CREATED_SLACK)
        void = [one for one in there if one.status == CANCELED]
        going_on = [one for one in there if one.status != CANCELED]
        names = [_name(bill, generation) for generation in range(len(void) + 1)]
        voided = (*(one.id for one in void), *names)
        if not going_on:
            return _ToCharge(names[-1], is_draft=True, is_charged=bill.is_charged, void_references=voided,
                             is_released_once=True, bill=bill)  # fmt: skip
        found = going_on[0]
        if found.net_minor != bill.total_minor or found.currency != bill.currency:
            raise ProviderObjectError(
                f"Paddle's {found.id} is over {found.net_minor} {found.currency}, ours over {bill.total_minor} "
                f"{bill.currency}."
            )
        return PreparedInvoice(
            found.id, is_draft=False, is_charged=found.is_charged, payment_url=_payment_page(found),
            void_references=voided,
        )  # fmt: skip

    def release_invoice(self, prepared: PreparedInvoice) -> str:
        assert isinstance(prepared, _ToCharge), "whatever is there already is released"
        bill = prepared.bill
        assert bill is not None, "it says what is to be charged"
        charged = next((one for one in api.subscriptions_of(bill.customer_reference) if is_chargeable(one)), None)
        if charged is not None and bill.is_charged:
            if text(charged, "status") == "trialing":
                api.activate(required(charged, "id"))
            api.charge(required(charged, "id"), bill)
            return ""
        return _page_of(api.request_payment(bill, success_url=str(django_settings.PUBLIC_URL)))

    def charge_again(self, reference: str, *, attempt: str) -> ReportedPayment:
        raise PaymentRefusedError(f"Paddle decides when it charges {reference} again.", reason="charges_itself")

    def take_back(self, reference: str) -> bool:
        if not reference.startswith(f"{_DUE}:"):
            return _cancel(read_transaction(api.transaction(reference)))
        _, customer_id, invoice_id, _ = reference.split(":")
        there = _transactions_for(UUID(invoice_id), customer_id, since=None)
        cancelled = [_cancel(one) for one in there]
        return all(cancelled)

    def refund(self, order: RefundOrder) -> ReportedRefund:
        known = _refund_named(order)
        if known is not None:
            return known
        # Paddle would give back twice: one worker at a time asks, for longer than any call takes.
        if not cache.add(f"paddle:refund:{order.key}", 1, timeout=REFUND_CLAIM_SECONDS):
            raise PaymentProviderError("Another worker asks Paddle for this refund.")
        return read_refunds([api.refund(order, api.transaction(order.payment_reference))])[0]

    # Agreements

    def end_agreement(self, reference: str, end: AgreementEnd) -> Agreement:
        if end is AgreementEnd.TAKEN_BACK:
            return read_agreement(api.keep(reference))
        return read_agreement(api.cancel(reference, is_now=end is AgreementEnd.NOW))

    # Inbound webhooks

    def read_delivery(self, request: DeliveredRequest, *, as_of: datetime) -> InboundEvent:
        secrets = settings.webhook_secrets()
        if request.address or not secrets:
            raise NotFoundError
        verify_signature(header=request.headers.get(HEADER, ""), body=request.body, secrets=secrets, as_of=as_of)
        try:
            payload = storable(json.loads(request.body))
            event = read_event(payload)
            json.dumps(payload, allow_nan=False)
        except (ValueError, RecursionError, ProviderObjectError) as error:
            raise MalformedBodyError("The body is no event of Paddle's.") from error
        assert isinstance(payload, dict), "an event is an object"
        # Of the delivery, not of the event: a replay has another.
        payload.pop("notification_id", None)
        is_known = event.type in news.KIND_OF
        return InboundEvent(event.id, event.type, payload, "" if is_known else news.UNKNOWN_TYPE, is_always_alike=True)

    def subject_of(self, event: InboundEvent) -> EventSubject | IgnoredEvent:
        return news.subject_of(event)

    def look_up(self, event: InboundEvent, subject: EventSubject) -> News | IgnoredEvent:
        return news.look_up(subject)

    # Optional capabilities

    def usage_meters(self) -> None:
        return None

    def books(self) -> PaddleBooks:
        return PaddleBooks()

    def set_up(self, *, currencies: Sequence[str]) -> list[str]:
        url = f"{django_settings.PUBLIC_URL}/webhooks/{self.name}"
        found = [one for one in api.destinations() if text(one, "destination") == url and one.get("active") is True]
        return [f"Paddle sends events to {url}" if found else f"Paddle does not send events to {url} yet: add it there"]

    def sample_deliveries(self, *, as_of: datetime) -> Sequence[DeliveredRequest]:
        return samples.sample_deliveries(as_of=as_of)


def _customer_with(email: str, tenant_id: UUID, name: str) -> str:
    """Return the customer with this address, created or adopted if needed; empty if it is another tenant's."""
    for _ in range(2):
        for known in api.customers_with(email):
            owner = text(inner(known, "custom_data"), TENANT_KEY)
            if not owner:
                api.update_customer(required(known, "id"), {"custom_data": _with_tenant(known, tenant_id)})
            return required(known, "id") if owner in {"", str(tenant_id)} else ""
        try:
            return required(api.create_customer(tenant_id=tenant_id, email=email, name=name), "id")
        except PaymentRefusedError as error:
            if error.reason != api.EMAIL_TAKEN:
                raise
    return ""


def _with_tenant(known: Json, tenant_id: UUID) -> dict[str, object]:
    return {**inner(known, "custom_data"), TENANT_KEY: str(tenant_id)}


def _tagged(email: str, tenant_id: UUID) -> str:
    """Return another address of the same mailbox: Paddle has one customer for each address."""
    local, _, host = email.rpartition("@")
    return f"{local}+{tenant_id.hex[-8:]}@{host}"


def _name(bill: Bill, generation: int) -> str:
    return f"{_DUE}:{bill.customer_reference}:{bill.invoice_id}:{generation}"


def _transactions_for(invoice_id: UUID, customer_id: str, *, since: datetime | None) -> list[CollectedTransaction]:
    read = (read_transaction(one) for one in api.transactions_of(customer_id, since=since))
    return [one for one in read if one.invoice_id == invoice_id]


def _cancel(collected: CollectedTransaction) -> bool:
    if collected.status in PAID:
        return False
    if collected.status != CANCELED:
        api.cancel_transaction(collected.id)
    return True


def _refund_named(order: RefundOrder) -> ReportedRefund | None:
    """Return the refund that an earlier request of this order made, if one did."""
    refunds = read_refunds(api.adjustments_of(order.payment_reference))
    return next((one for one in refunds if one.key == order.key), None)


def _page_of(transaction: Json) -> str:
    url = read_transaction(transaction).checkout_url
    if not url:
        raise PaymentRefusedError("Paddle has no payment page: set the default payment link in Paddle's settings.")
    return url


def _payment_page(found: CollectedTransaction) -> str:
    """Return the page for paying; of a charge that failed, the one for changing the way of paying."""
    if found.checkout_url or not found.subscription_id or found.status in PAID:
        return found.checkout_url
    return text(inner(api.subscription(found.subscription_id), "management_urls"), "update_payment_method")


PROVIDER: Final[PaymentProvider] = PaddleProvider()
