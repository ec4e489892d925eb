"""A second provider, in memory, unlike Stripe: events of two words, an address without a last part, no meters."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from accounts.errors import MalformedBodyError, NotFoundError
from billing.collection.domain.provider import (
    Agreement,
    AgreementEnd,
    AgreementNews,
    AgreementState,
    Bill,
    CardNews,
    CheckoutOrder,
    CustomerDetails,
    DeliveredRequest,
    EventSubject,
    IgnoredEvent,
    InboundEvent,
    InvoiceNews,
    News,
    PaymentProvider,
    PreparedInvoice,
    ProviderDescription,
    RefundOrder,
    RefundState,
    ReportedPayment,
    ReportedRefund,
)
from billing.collection.errors import DeliverySignatureError, PaymentRefusedError

SECRET: Final = "the second provider's"
CARD: Final = "Mandate ending in 17"


@dataclass
class SecondProvider:
    """A provider that keeps in dictionaries what Stripe keeps on its side."""

    name = "second"
    is_configured: bool = True
    agreements: dict[str, Agreement] = field(default_factory=dict)
    bills: dict[str, Bill] = field(default_factory=dict)
    paid: set[str] = field(default_factory=set)
    taken_back: set[str] = field(default_factory=set)
    refunded: dict[str, RefundOrder] = field(default_factory=dict)

    def describe(self) -> ProviderDescription:
        return ProviderDescription("Second & Sons", is_configured=self.is_configured)

    def ensure_customer(self, tenant_id: UUID, details: CustomerDetails) -> str:
        return f"customer-{tenant_id}"

    def update_customer(self, reference: str, details: CustomerDetails) -> None:
        if not details.email:
            raise PaymentRefusedError("A customer has an address.", reason="no_email")

    def start_checkout(self, order: CheckoutOrder) -> str:
        reference = f"mandate-{len(self.agreements) + 1}"
        self.agreements[reference] = Agreement(
            reference,
            order.customer_reference,
            "signed",
            AgreementState.LIVE,
            tenant_id=order.tenant_id,
            plan_version_id=order.plan_version_id,
        )
        return f"https://second.example/{reference}"

    def open_portal(self, *, customer_reference: str, return_url: str) -> str:
        return f"https://second.example/{customer_reference}"

    def ensure_card(self, agreement: Agreement) -> str:
        return CARD

    def prepare_invoice(self, bill: Bill) -> PreparedInvoice:
        reference = f"claim-{bill.number}"
        is_new = reference not in self.bills
        self.bills[reference] = bill
        return PreparedInvoice(reference, is_draft=is_new, is_charged=bill.is_charged, payment_url=self._url(reference))

    def release_invoice(self, prepared: PreparedInvoice) -> str:
        if prepared.is_charged:
            self.paid.add(prepared.reference)
        return self._url(prepared.reference)

    def charge_again(self, reference: str, *, attempt: str) -> ReportedPayment:
        raise PaymentRefusedError("Second & Sons presents a claim again by itself.", reason="by_itself")

    def refund(self, order: RefundOrder) -> ReportedRefund:
        self.refunded.setdefault(order.key, order)
        return ReportedRefund(
            f"return-{order.key}", order.amount_minor, order.currency, RefundState.SUCCEEDED, None, key=order.key
        )

    def take_back(self, reference: str) -> bool:
        if reference in self.paid:
            return False
        self.taken_back.add(reference)
        return True

    def end_agreement(self, reference: str, end: AgreementEnd) -> Agreement:
        known = self.agreements[reference]
        if end is AgreementEnd.NOW:
            known = replace(known, state=AgreementState.ENDED, status="revoked")
        else:
            known = replace(known, is_cancelled_at_period_end=end is AgreementEnd.WITH_PERIOD)
        self.agreements[reference] = known
        return known

    def read_delivery(self, request: DeliveredRequest, *, as_of: datetime) -> InboundEvent:
        if request.address:
            raise NotFoundError
        if request.headers.get("Second-Secret") != SECRET:
            raise DeliverySignatureError
        try:
            payload = json.loads(request.body)
            return InboundEvent(payload["number"], payload["about"], payload)
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedBodyError("The body is no event of Second's.") from error

    def subject_of(self, event: InboundEvent) -> EventSubject | IgnoredEvent:
        assert isinstance(event.payload, dict)
        if event.type not in {"mandate", "card", "claim"}:
            return IgnoredEvent("nothing that we follow")
        return EventSubject(event.type, event.payload["of"], event.payload["customer"])

    def look_up(self, event: InboundEvent, subject: EventSubject) -> News | IgnoredEvent:
        if subject.kind == "mandate":
            return AgreementNews(self.agreements[subject.reference])
        if subject.kind == "card":
            return CardNews("")
        bill = self.bills[subject.reference]
        told = ReportedPayment(subject.reference, bill.total_minor, bill.currency, datetime(2026, 3, 2, tzinfo=UTC))
        is_paid = subject.reference in self.paid
        return InvoiceNews(
            reference=subject.reference,
            customer_reference=subject.customer_reference,
            invoice_id=bill.invoice_id,
            status="collected" if is_paid else "returned",
            payment=told if is_paid else None,
            failures=() if is_paid else (replace(told, error="Returned by the bank."),),
        )

    def usage_meters(self) -> None:
        return None

    def books(self) -> None:
        return None

    def set_up(self, *, currencies: Sequence[str]) -> list[str]:
        return [f"second: takes {', '.join(currencies) or 'nothing'}"]

    def sample_deliveries(self, *, as_of: datetime) -> Sequence[DeliveredRequest]:
        body = json.dumps({"number": "sample", "about": "weather", "of": "", "customer": ""}).encode()
        return (DeliveredRequest("", {"Second-Secret": SECRET}, body),)

    def _url(self, reference: str) -> str:
        return f"https://second.example/{reference}"


PROVIDER: Final[PaymentProvider] = SecondProvider()
