"""The provider protocol: everything that collection requires of a payment provider, on one page.

Arguments and results are values; only the provider's folder below `gateways/` knows the shape of its messages. Each
method raises `PaymentProviderError` if the provider does not respond: the outcome is unknown, and the same call may be
made again. It raises `PaymentRefusedError` if the provider refuses, and `ProviderObjectError` if the provider
describes something that contradicts our rows. A call that creates something creates it once, however often it is
repeated. Methods use the network, so none is called inside a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    """The title of a provider, whether it is set up here, and the copies of its objects."""

    title: str
    is_configured: bool
    mirror: tuple[MirroredModel, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomerDetails:
    """The details of a tenant that are sent to a provider. The address has the field names of `Tenant`."""

    name: str
    email: str
    address: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A plan version that a customer is about to agree to; `agreement` is the text of the agreement."""

    customer_reference: str
    currency: str
    tenant_id: UUID
    plan_version_id: int
    agreement: str
    success_url: str
    cancel_url: str


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

    A draft charges no customer yet; `void_references` name earlier invoices that were voided there.
    """

    reference: str
    is_draft: bool
    is_charged: bool
    payment_url: str = ""
    void_references: tuple[str, ...] = ()


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
    """

    event_id: str
    type: str
    payload: object
    ignored_because: str = ""


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
class AgreementNews:
    """The current state of an agreement."""

    agreement: Agreement
    remarks: str = ""


@dataclass(frozen=True, slots=True)
class CardNews:
    """The card that the customer's invoices are charged to now; an empty label means none."""

    card_label: str


@dataclass(frozen=True, slots=True)
class ReportedPayment:
    """An attempt to pay, by the provider's reference. `error` is the reason of a failure, empty if it succeeded."""

    reference: str
    amount_minor: int
    currency: str
    occurred_at: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class InvoiceNews:
    """The current state of an invoice of ours at the provider: its payment, if paid, and the event's failed attempt."""

    reference: str
    customer_reference: str
    invoice_id: UUID
    status: str
    payment: ReportedPayment | None
    failure: ReportedPayment | None
    remarks: str = ""


News = AgreementNews | CardNews | InvoiceNews


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """A meter's whole total of one UTC hour.

    Of two totals with one `identifier` the first counts, of an hour's revisions the last.
    """

    meter_code: str
    identifier: str
    customer_reference: str
    quantity: int
    hour: datetime
    revision: int


class UsageMeters(Protocol):
    """An optional capability: a copy of our meters at the provider, which accepts usage up to `age_max` old."""

    age_max: timedelta

    def codes(self) -> set[str]:
        """Return the codes of the meters that the provider has."""

    def create_meter(self, *, code: str, name: str) -> None:
        """Create a meter that accepts one total an hour."""

    def send(self, total: UsageTotal) -> bool:
        """Send a total; return False if the provider already has it."""


class PaymentProvider(Protocol):
    """A payment provider. `name` is in our rows and in the webhook's address and never changes."""

    name: str

    def describe(self) -> ProviderDescription:
        """Return the provider's title and capabilities, without using the network."""

    # Customers

    def ensure_customer(self, tenant_id: UUID) -> str:
        """Create the tenant's customer and return its reference. Two calls at once get the same."""

    def update_customer(self, reference: str, details: CustomerDetails) -> None:
        """Send the provider the customer's current name and addresses."""

    def start_checkout(self, order: CheckoutOrder) -> str:
        """Return the address of a page on which the customer agrees to the plan and enters a card."""

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
        """Finalize a draft, charge the customer's card if agreed, and return the address for paying it."""

    def take_back(self, reference: str) -> bool:
        """Stop collecting an invoice; return False if it is already paid. Repeating the call changes nothing."""

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

        Only a failed attempt to pay, which never changes, is read from the event itself.
        """

    # Optional capabilities

    def usage_meters(self) -> UsageMeters | None:
        """Return the copy of our meters, if the provider keeps one."""

    def set_up(self, *, currencies: Sequence[str]) -> list[str]:
        """Create missing objects that we need at the provider; return sentences that describe them."""

    def sample_deliveries(self, *, as_of: datetime) -> Sequence[DeliveredRequest]:
        """Return signed deliveries about objects that do not exist, for the demonstration's inbox."""
