"""The provider protocol: everything that collection asks of whoever collects money, on one page.

Values go in and values come out; the shape of a provider's own messages is known to its folder below `gateways/` alone.
Where a provider does not answer, each method raises `PaymentProviderError`, so that nobody knows and the same call may
be made again; where it says no, `PaymentRefusedError`; where it describes something that does not fit,
`ProviderObjectError`. A call that makes something makes it once, however often it is repeated. The network is asked, so
no method is called inside a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class MirroredModel:
    """A table in which a provider's library keeps its copy of the provider's objects, for staff to look at.

    `attribute` has the object as the provider described it; one with an `icon` stands in the side bar under its
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
    """How people call a provider, whether it is set up here, and which copies of its objects there are."""

    title: str
    is_configured: bool
    mirror: tuple[MirroredModel, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomerDetails:
    """What a provider is told of a tenant. The address has the names that it has on `Tenant`."""

    name: str
    email: str
    address: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A plan version that a customer is about to agree to; `agreement` says it in words."""

    customer_reference: str
    currency: str
    tenant_id: UUID
    plan_version_id: int
    agreement: str
    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice of ours to be collected: charged if `is_charged`, else paid on a page within `days_until_due`."""

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

    A draft charges nobody yet; `void_references` name earlier ones that were taken back there.
    """

    reference: str
    is_draft: bool
    is_charged: bool
    payment_url: str = ""
    void_references: tuple[str, ...] = ()


class AgreementState(StrEnum):
    """What a subscription at a provider means for us: it is no more than the customer's agreement to be charged."""

    NOT_YET = "not_yet"
    LIVE = "live"
    ENDED = "ended"


class AgreementEnd(StrEnum):
    """When an agreement is to end; `TAKEN_BACK` lets one go on that was to end with its period."""

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
    """A request to our webhook: the rest of its address after the provider's name, its headers, its raw bytes."""

    address: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """A verified event.

    `payload` is the provider's own and is given back as it is; `ignored_because` says why there is nothing to do.
    """

    event_id: str
    type: str
    payload: object
    ignored_because: str = ""


@dataclass(frozen=True, slots=True)
class EventSubject:
    """What an event is about: whose it is, and the object that changed."""

    kind: str
    reference: str
    customer_reference: str
    remarks: str = ""


@dataclass(frozen=True, slots=True)
class IgnoredEvent:
    """The event is none of ours, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class AgreementNews:
    """An agreement as it is now."""

    agreement: Agreement
    remarks: str = ""


@dataclass(frozen=True, slots=True)
class CardNews:
    """What the customer's invoices are charged to now; an empty label means nothing."""

    card_label: str


@dataclass(frozen=True, slots=True)
class ToldPayment:
    """An attempt to pay, by the provider's own name for it. `error` says why it failed; empty where it succeeded."""

    reference: str
    amount_minor: int
    currency: str
    occurred_at: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class InvoiceNews:
    """An invoice of ours at the provider as it is now: its payment, if paid, and the event's failed attempt."""

    reference: str
    customer_reference: str
    invoice_id: UUID
    status: str
    payment: ToldPayment | None
    failure: ToldPayment | None
    remarks: str = ""


News = AgreementNews | CardNews | InvoiceNews


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """A meter's whole total of one UTC hour.

    Of two with one `identifier` the first counts, of an hour's revisions the last.
    """

    meter_code: str
    identifier: str
    customer_reference: str
    quantity: int
    hour: datetime
    revision: int


class UsageMeters(Protocol):
    """An optional capability: a copy of our meters at the provider, which takes usage up to `age_max` old."""

    age_max: timedelta

    def codes(self) -> set[str]:
        """Find the codes of the meters that the provider has."""

    def create_meter(self, *, code: str, name: str) -> None:
        """Create a meter that takes one total an hour."""

    def send(self, total: UsageTotal) -> bool:
        """Send a total; returns False where the provider has it already."""


class PaymentProvider(Protocol):
    """A payment provider. `name` stands in our rows and in the webhook's address and never changes."""

    name: str

    def describe(self) -> ProviderDescription:
        """Return how it is called and what it can do. Asks no network."""

    # Customers

    def ensure_customer(self, tenant_id: UUID) -> str:
        """Create the tenant's customer and return its reference. Two that ask at once get the same."""

    def update_customer(self, reference: str, details: CustomerDetails) -> None:
        """Tell the provider how a customer is called now, and where mail reaches it."""

    def start_checkout(self, order: CheckoutOrder) -> str:
        """Return the address of a page on which the customer agrees to the plan and gives a card."""

    def open_portal(self, *, customer_reference: str, return_url: str) -> str:
        """Return the address of a page on which the customer changes its cards."""

    def ensure_card(self, agreement: Agreement) -> str:
        """Return the label of what the customer's invoices are charged to.

        Its own choice, else the card given with a live agreement.
        """

    # Invoices: pushed in two steps, so that ours names the provider's before anybody is charged

    def prepare_invoice(self, bill: Bill) -> PreparedInvoice:
        """Find the provider's invoice for ours, or make a draft over our total."""

    def release_invoice(self, prepared: PreparedInvoice) -> str:
        """Let a draft be paid, charge the customer's card if agreed, and return the page for paying it."""

    def take_back(self, reference: str) -> bool:
        """End the collecting of an invoice; returns False where it was paid already. Repeating it changes nothing."""

    # Agreements

    def end_agreement(self, reference: str, end: AgreementEnd) -> Agreement:
        """End an agreement, or take its end back; returns it as it is then."""

    # Inbound webhooks

    def read_delivery(self, request: DeliveredRequest, *, as_of: datetime) -> InboundEvent:
        """Verify a delivery on its raw bytes and parse it. Asks no network.

        Raises `NotFoundError` for an unknown address, `DeliverySignatureError`, and `MalformedBodyError` for what is no
        event.
        """

    def subject_of(self, event: InboundEvent) -> EventSubject | IgnoredEvent:
        """Return what an event is about."""

    def look_up(self, event: InboundEvent, subject: EventSubject) -> News | IgnoredEvent:
        """Ask how the subject is now.

        The event itself counts only for what never changes: an attempt to pay that failed.
        """

    # What a provider may do without

    def usage_meters(self) -> UsageMeters | None:
        """Return the copy of our meters, if the provider keeps one."""

    def set_up(self, *, currencies: Sequence[str]) -> list[str]:
        """Make what we need at the provider where it is missing; returns in sentences what there is now."""

    def sample_deliveries(self, *, as_of: datetime) -> Sequence[DeliveredRequest]:
        """Return signed deliveries about nothing that exists, for the demonstration's inbox."""
