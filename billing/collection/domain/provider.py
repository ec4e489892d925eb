"""The provider protocol: everything that collection requires of a payment provider, on one page.

Arguments and results are values; only the provider's folder below `gateways/` knows the shape of its messages. Each
method raises `PaymentProviderError` if the provider does not respond: the outcome is unknown, and the same call may be
made again. It raises `PaymentRefusedError` if the provider refuses, `CustomerGoneError` if it does not know the
customer or has deleted it, and `ProviderObjectError` if the provider
describes something that contradicts our rows. A call that creates something creates it once, however often it is
repeated. Methods use the network, so none is called inside a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class MirroredModel:
    """A table in which a provider's library keeps its copy of the provider's objects, for staff to read.

    `attribute` has the object as the provider described it; a table with an `icon` is in the side bar under its
    `title`.
    """

    label: str
    columns: tuple[str, ...]
    filters: tuple[str, ...]
    attribute: str
    title: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class ProviderDescription:
    """The title of a provider, whether it is set up here, and the copies of its objects.

    `merchant_of_record` is its name if it sells to the customer in its own name and declares the tax: then our
    documents are usage statements, and it is sent amounts without tax (decision 0026). One that
    `charges_at_checkout` charges a new customer's first invoice on the page on which the customer agrees.
    """

    title: str
    is_configured: bool
    mirror: tuple[MirroredModel, ...] = ()
    merchant_of_record: str = ""
    charges_at_checkout: bool = False


@dataclass(frozen=True, slots=True)
class CustomerDetails:
    """The details of a tenant that are sent to a provider. The address has the field names of `Tenant`."""

    name: str
    email: str
    address: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A plan version that a customer is about to agree to; `agreement` is the text of the agreement.

    `charge_minor` is charged on the page, with its tax, under `charge_name`; if it is 0, the page only takes a card.
    """

    customer_reference: str
    currency: str
    tenant_id: UUID
    plan_version_id: int
    agreement: str
    success_url: str
    cancel_url: str
    charge_minor: int = 0
    charge_name: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice of ours to collect: charged if `is_charged`, else paid on a page within `days_until_due`."""

    invoice_id: UUID
    number: str
    customer_reference: str
    currency: str
    total_minor: int
    is_charged: bool
    days_until_due: int
    finalized_at: datetime


@dataclass(frozen=True, slots=True)
class PreparedInvoice:
    """The provider's invoice over our total.

    A draft has charged no customer yet, and is to be released; `void_references` name earlier invoices that were voided
    there. `is_released_once` if the provider cannot tell a repeated release from a second one: then one worker at a
    time releases it, and asks again for what it became.
    """

    reference: str
    is_draft: bool
    is_charged: bool
    payment_url: str = ""
    void_references: tuple[str, ...] = ()
    is_released_once: bool = False


class AgreementState(StrEnum):
    """The meaning of a subscription at a provider for us: only the customer's agreement to be charged."""

    NOT_YET = "not_yet"
    LIVE = "live"
    ENDED = "ended"


class AgreementEnd(StrEnum):
    """The time at which an agreement ends; `TAKEN_BACK` continues one that was to end with its period."""

    NOW = "now"
    WITH_PERIOD = "with_period"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class Agreement:
    """A customer's agreement to be charged.

    `status` is the provider's own word; `card_reference` the card given with it, if any.
    """

    reference: str
    customer_reference: str
    status: str
    state: AgreementState
    is_cancelled_at_period_end: bool = False
    has_ended_with_period: bool = False
    tenant_id: UUID | None = None
    plan_version_id: int | None = None
    card_reference: str = ""


@dataclass(frozen=True, slots=True)
class DeliveredRequest:
    """A request to our webhook: the part of its address after the provider's name, its headers, its raw bytes."""

    address: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """A verified event.

    `payload` is the provider's and is passed back unchanged; `ignored_because` is the reason if there is nothing to do.
    With `is_always_alike` each delivery of an event has the same payload, so that another payload is another's work.
    """

    event_id: str
    type: str
    payload: object
    ignored_because: str = ""
    is_always_alike: bool = False


@dataclass(frozen=True, slots=True)
class EventSubject:
    """The subject of an event: its customer, and the object that changed."""

    kind: str
    reference: str
    customer_reference: str
    remarks: str = ""


@dataclass(frozen=True, slots=True)
class IgnoredEvent:
    """An event that is not for us, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReportedPayment:
    """An attempt to pay, by the provider's reference. `error` is the reason of a failure, empty if it succeeded.

    `decline_code` is the provider's code of the reason. The same card need not be charged again if `is_final`.
    """

    reference: str
    amount_minor: int
    currency: str
    occurred_at: datetime | None
    error: str = ""
    decline_code: str = ""
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class AgreementNews:
    """The current state of an agreement, and what the customer paid when it agreed, if anything."""

    agreement: Agreement
    remarks: str = ""
    payment: ReportedPayment | None = None


@dataclass(frozen=True, slots=True)
class CardNews:
    """The card that the customer's invoices are charged to now; an empty label means none."""

    card_label: str


@dataclass(frozen=True, slots=True)
class InvoiceNews:
    """The current state of an invoice of ours at the provider: its payment, if paid, and its failed attempts.

    Failed attempts may be left out if the event is not about one; each has its own reference.
    """

    reference: str
    customer_reference: str
    invoice_id: UUID
    status: str
    payment: ReportedPayment | None
    failures: tuple[ReportedPayment, ...] = ()
    remarks: str = ""


class RefundState(StrEnum):
    """The state of a refund at a provider. One that failed did not reach the customer: the seller has the money."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """Money of a payment to give back. `key` names the order: two calls with the same key give back once."""

    key: str
    payment_reference: str
    amount_minor: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReportedRefund:
    """A refund at the provider. `key` is that of our order; empty if it was made at the provider."""

    reference: str
    amount_minor: int
    currency: str
    state: RefundState
    occurred_at: datetime | None
    key: str = ""
    reason: str = ""
    error: str = ""


class DisputePhase(StrEnum):
    """The phase of a dispute. In an inquiry the bank has taken nothing; one that ends without a dispute is won."""

    INQUIRY = "inquiry"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class ReportedDispute:
    """A dispute at the provider, with the reason in its words, and the time until which it takes evidence."""

    reference: str
    amount_minor: int
    currency: str
    phase: DisputePhase
    reason: str = ""
    answer_by: datetime | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaymentNews:
    """What went back of a payment: all its refunds and disputes in their current state.

    `invoice_id` is the invoice of ours that it pays, and `payment` the payment itself, if an invoice was paid: it is
    recorded first if its own event comes later.
    """

    payment_reference: str
    customer_reference: str
    refunds: tuple[ReportedRefund, ...]
    disputes: tuple[ReportedDispute, ...]
    invoice_id: UUID | None = None
    payment: ReportedPayment | None = None
    remarks: str = ""


News = AgreementNews | CardNews | InvoiceNews | PaymentNews


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """A meter's total of one UTC hour, in whole steps of the copy's last decimal.

    Of two totals with one `identifier` the first counts, of an hour's revisions the last.
    """

    meter_code: str
    identifier: str
    customer_reference: str
    quantity: int
    hour: datetime
    revision: int


class UsageMeters(Protocol):
    """An optional capability: a copy of our meters, which takes usage up to `age_max` old with so many `decimals`."""

    age_max: timedelta
    decimals: int

    def codes(self) -> set[str]:
        """Return the codes of the meters that the provider has."""

    def create_meter(self, *, code: str, name: str) -> None:
        """Create a meter that accepts one total an hour."""

    def send(self, total: UsageTotal) -> bool:
        """Send a total; return False if the provider already has it."""

    def totals(self, customer_reference: str, *, since: datetime, until: datetime) -> Mapping[str, Decimal]:
        """Return what the provider has of a customer's usage in whole hours, by the meters' codes."""


class ClaimState(StrEnum):
    """The state of what a provider collects for us: a draft is not collected yet, one that is void no more."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class ReportedClaim:
    """What a provider collects: an invoice of ours, or what a customer paid when it agreed.

    `reference` is that of the payment, once it is paid. `charges` counts the charges that succeeded; `fee_minor` is
    what the provider kept of them, None if it is not known. `happened_at` is the payment, else the creation.
    """

    reference: str
    customer_reference: str
    invoice_id: UUID | None
    state: ClaimState
    amount_minor: int
    currency: str
    happened_at: datetime
    charges: int = 0
    fee_minor: int | None = None


@dataclass(frozen=True, slots=True)
class ReportedPayout:
    """Money that a provider sent to the seller's bank, and the sum of the movements that it consists of."""

    reference: str
    amount_minor: int
    parts_minor: int
    currency: str
    happened_at: datetime
    failure: str = ""


@dataclass(frozen=True, slots=True)
class ProviderStatement:
    """All that is ours of a provider's books since a moment."""

    claims: tuple[ReportedClaim, ...]
    refunds: tuple[ReportedRefund, ...] = ()
    disputes: tuple[ReportedDispute, ...] = ()
    payouts: tuple[ReportedPayout, ...] = ()


class ProviderBooks(Protocol):
    """An optional capability: lists of what the provider has, to compare with ours. It changes nothing there."""

    def statement(self, *, since: datetime) -> ProviderStatement:
        """Return what was created there since a moment, of our documents alone."""

    def claim(self, reference: str) -> ReportedClaim | None:
        """Return one claim, however old, or None if the provider does not have it."""

    def events(self, *, since: datetime, until: datetime) -> Sequence[InboundEvent]:
        """Return the events of a span that a webhook would be sent; none if the provider does not list them."""


class PaymentProvider(Protocol):
    """A payment provider. `name` is in our rows and in the webhook's address and never changes."""

    name: str

    def describe(self) -> ProviderDescription:
        """Return the provider's title and capabilities, without using the network."""

    # Customers

    def ensure_customer(self, tenant_id: UUID, details: CustomerDetails) -> str:
        """Create the tenant's customer and return its reference. Two calls at once get the same.

        `details` are for a provider that creates no customer without an address; `update_customer` follows.
        """

    def update_customer(self, reference: str, details: CustomerDetails) -> None:
        """Send the provider the customer's current name and addresses."""

    def start_checkout(self, order: CheckoutOrder) -> str:
        """Return the address of a page on which the customer agrees to the plan, enters a card and pays the charge."""

    def open_portal(self, *, customer_reference: str, return_url: str) -> str:
        """Return the address of a page on which the customer changes its cards."""

    def ensure_card(self, agreement: Agreement) -> str:
        """Return the label of the card that the customer's invoices are charged to.

        It is the customer's choice, else the card of a live agreement.
        """

    # Invoices: pushed in two steps, so that ours names the provider's before a customer is charged

    def prepare_invoice(self, bill: Bill) -> PreparedInvoice:
        """Find the provider's invoice for ours, or create a draft over our total."""

    def release_invoice(self, prepared: PreparedInvoice) -> str:
        """Finalize a draft, charge the customer's card once if agreed, and return the address for paying it.

        A declined card is no error: an event reports it. The provider does not charge again by itself.
        """

    def charge_again(self, reference: str, *, attempt: str) -> ReportedPayment:
        """Charge the customer's card for a released invoice now, and return the attempt.

        `attempt` names it: two calls with the same name charge once. An event reports the attempt, too, under the same
        reference. Raises `PaymentRefusedError` if nothing can be charged, or if the provider itself decides when.
        """

    def take_back(self, reference: str) -> bool:
        """Stop collecting an invoice; return False if it is already paid. Repeating the call changes nothing."""

    def refund(self, order: RefundOrder) -> ReportedRefund:
        """Refund money of a payment to the customer, once for each key, and return the refund.

        Raises `PaymentRefusedError` if the provider does not give it back.
        """

    # Agreements

    def end_agreement(self, reference: str, end: AgreementEnd) -> Agreement:
        """End an agreement, or undo its end; return its new state."""

    # Inbound webhooks

    def read_delivery(self, request: DeliveredRequest, *, as_of: datetime) -> InboundEvent:
        """Verify a delivery on its raw bytes and parse it, without using the network.

        Raises `NotFoundError` for an unknown address, `DeliverySignatureError`, and `MalformedBodyError` if the body is
        not an event.
        """

    def subject_of(self, event: InboundEvent) -> EventSubject | IgnoredEvent:
        """Return the subject of an event."""

    def look_up(self, event: InboundEvent, subject: EventSubject) -> News | IgnoredEvent:
        """Fetch the current state of the subject.

        Only what the object does not keep, and never changes, is read from the event itself.
        """

    # Optional capabilities

    def usage_meters(self) -> UsageMeters | None:
        """Return the copy of our meters, if the provider keeps one."""

    def books(self) -> ProviderBooks | None:
        """Return the lists to reconcile with, if the provider has any."""

    def set_up(self, *, currencies: Sequence[str]) -> list[str]:
        """Create missing objects that we need at the provider; return sentences that describe them."""

    def sample_deliveries(self, *, as_of: datetime) -> Sequence[DeliveredRequest]:
        """Return signed deliveries about objects that do not exist, for the demonstration's inbox."""
