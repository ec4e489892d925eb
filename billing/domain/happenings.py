"""What billing tells: a frozen dataclass for each type, and the facts of what they are about. Pure.

The API shows the same facts in the same form, so that a webhook and a request agree.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from metering.domain.periods import Span


def span_body(span: Span) -> dict[str, object]:
    """Return a half-open span as the API shows it."""
    return {"start": span.start, "end": span.end}


@dataclass(frozen=True, slots=True)
class PlanName:
    """Which plan, and which version of it."""

    code: str
    name: str
    version: int

    def as_body(self) -> dict[str, object]:
        """Return its form in the API and in webhooks."""
        return {"code": self.code, "name": self.name, "version": self.version}


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription as the API and webhooks show it; `version` counts its changes."""

    id: UUID
    tenant_id: UUID
    version: int
    status: str
    plan: PlanName
    currency: str
    time_zone: str
    started_at: datetime
    anchor_at: datetime
    is_trial: bool
    period: Span
    pending_plan: PlanName | None
    is_cancelled_at_period_end: bool
    ended_at: datetime | None

    def as_body(self) -> dict[str, object]:
        """Return its form in the API and in webhooks."""
        return {
            "id": self.id,
            "status": self.status,
            "plan": self.plan.as_body(),
            "currency": self.currency,
            "time_zone": self.time_zone,
            "started_at": self.started_at,
            "anchor_at": self.anchor_at,
            "trial_ends_at": self.anchor_at if self.is_trial else None,
            "period": span_body(self.period),
            "pending_plan": None if self.pending_plan is None else self.pending_plan.as_body(),
            "cancel_at_period_end": self.is_cancelled_at_period_end,
            "ended_at": self.ended_at,
        }


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """An invoice without its lines, as the API and webhooks show it. A draft has neither number nor days."""

    id: UUID
    tenant_id: UUID
    number: str | None
    status: str
    subscription: UUID
    currency: str
    period: Span
    subtotal_minor: int
    tax_minor: int
    carried_minor: int
    total_minor: int
    issued_on: date | None
    due_on: date | None
    finalized_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None
    void_reason: str
    payment_failed_at: datetime | None
    payment_error: str
    credit_note: str | None
    amount_paid_minor: int = 0
    amount_due_minor: int = 0
    replaces: str | None = None
    replaced_by: str | None = None
    merchant_of_record: str = ""

    def as_body(self) -> dict[str, object]:
        """Return its form in the API and in webhooks."""
        return {
            "id": self.id,
            "number": self.number,
            "status": self.status,
            "subscription": self.subscription,
            "currency": self.currency,
            "period": span_body(self.period),
            "subtotal_minor": self.subtotal_minor,
            "tax_minor": self.tax_minor,
            "carried_minor": self.carried_minor,
            "total_minor": self.total_minor,
            "amount_paid_minor": self.amount_paid_minor,
            "amount_due_minor": self.amount_due_minor,
            "issued_on": self.issued_on,
            "due_on": self.due_on,
            "finalized_at": self.finalized_at,
            "paid_at": self.paid_at,
            "voided_at": self.voided_at,
            "void_reason": self.void_reason,
            "payment_failed_at": self.payment_failed_at,
            "payment_error": self.payment_error,
            "credit_note": self.credit_note,
            "replaces": self.replaces,
            "replaced_by": self.replaced_by,
            "merchant_of_record": self.merchant_of_record or None,
        }


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """An attempt to pay, as the API and webhooks show it; `reference` is the provider's name of it.

    `pays_minor` is what of it pays the invoice that it is shown with.
    """

    provider: str
    reference: str
    status: str
    amount_minor: int
    currency: str
    error: str
    occurred_at: datetime
    pays_minor: int = 0

    def as_body(self) -> dict[str, object]:
        """Return its form in the API and in webhooks."""
        return {
            "status": self.status,
            "provider": self.provider,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "error": self.error,
            "occurred_at": self.occurred_at,
            "pays_minor": self.pays_minor,
        }


@dataclass(frozen=True, slots=True)
class CreditNoteFacts:
    """A credit note as the API and webhooks show it; `invoice` is the number of the invoice that it takes back.

    Of one in part `goes_to` says where the money went that was paid.
    """

    id: UUID
    tenant_id: UUID
    number: str
    invoice: str
    currency: str
    subtotal_minor: int
    tax_minor: int
    carried_minor: int
    total_minor: int
    reason: str
    issued_on: date
    issued_at: datetime
    is_whole: bool = True
    goes_to: str | None = None

    def as_body(self) -> dict[str, object]:
        """Return its form in the API and in webhooks."""
        return {
            "number": self.number,
            "invoice": self.invoice,
            "is_whole": self.is_whole,
            "goes_to": self.goes_to,
            "currency": self.currency,
            "subtotal_minor": self.subtotal_minor,
            "tax_minor": self.tax_minor,
            "carried_minor": self.carried_minor,
            "total_minor": self.total_minor,
            "reason": self.reason,
            "issued_on": self.issued_on,
            "issued_at": self.issued_at,
        }


@dataclass(frozen=True, slots=True)
class SubscriptionHappening:
    """Something that happens to a subscription: each change counts its version up."""

    type: ClassVar[str]
    subscription: SubscriptionFacts

    @property
    def tenant_id(self) -> UUID:
        """Return whose subscription it is."""
        return self.subscription.tenant_id

    @property
    def dedupe_key(self) -> str:
        """Return the happening's one name."""
        return f"{self.type}:{self.subscription.id}:{self.subscription.version}"

    def as_body(self) -> dict[str, object]:
        """Return the subscription as the API shows it."""
        return self.subscription.as_body()


@dataclass(frozen=True, slots=True)
class SubscriptionCreated(SubscriptionHappening):
    """A tenant subscribed to a plan."""

    type: ClassVar[str] = "subscription.created"


@dataclass(frozen=True, slots=True)
class SubscriptionUpdated(SubscriptionHappening):
    """A subscription moved to another plan, waits for a change, or is past due or paid again."""

    type: ClassVar[str] = "subscription.updated"


@dataclass(frozen=True, slots=True)
class SubscriptionCancelled(SubscriptionHappening):
    """A subscription ended."""

    type: ClassVar[str] = "subscription.cancelled"


@dataclass(frozen=True, slots=True)
class InvoiceHappening:
    """Something that happens to an invoice once."""

    type: ClassVar[str]
    invoice: InvoiceFacts

    @property
    def tenant_id(self) -> UUID:
        """Return whose invoice it is."""
        return self.invoice.tenant_id

    @property
    def dedupe_key(self) -> str:
        """Return the happening's one name."""
        return f"{self.type}:{self.invoice.id}"

    def as_body(self) -> dict[str, object]:
        """Return the invoice as the API shows it."""
        return self.invoice.as_body()


@dataclass(frozen=True, slots=True)
class InvoiceDrafted(InvoiceHappening):
    """An invoice was computed, and may still change."""

    type: ClassVar[str] = "invoice.drafted"


@dataclass(frozen=True, slots=True)
class InvoiceFinalized(InvoiceHappening):
    """An invoice got its number."""

    type: ClassVar[str] = "invoice.finalized"


@dataclass(frozen=True, slots=True)
class InvoicePaid(InvoiceHappening):
    """An invoice is paid, or came to nothing.

    `became_at` is when: one that is paid again, after a payment was taken back from it, is told again.
    """

    type: ClassVar[str] = "invoice.paid"
    became_at: datetime

    @property
    def dedupe_key(self) -> str:
        """Return the name of this time at which it became paid."""
        return f"{self.type}:{self.invoice.id}:{self.became_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class InvoiceVoided(InvoiceHappening):
    """An invoice became void: it is no longer owed."""

    type: ClassVar[str] = "invoice.voided"


@dataclass(frozen=True, slots=True)
class InvoicePaymentFailed:
    """An attempt to pay an invoice failed."""

    type: ClassVar[str] = "invoice.payment_failed"
    invoice: InvoiceFacts
    payment: PaymentFacts

    @property
    def tenant_id(self) -> UUID:
        """Return whose invoice it is."""
        return self.invoice.tenant_id

    @property
    def dedupe_key(self) -> str:
        """Return the happening's one name: the provider names each attempt."""
        return f"{self.type}:{self.payment.provider}:{self.payment.reference}"

    def as_body(self) -> dict[str, object]:
        """Return the invoice as the API shows it, with the attempt that failed."""
        return {**self.invoice.as_body(), "payment": self.payment.as_body()}


@dataclass(frozen=True, slots=True)
class CreditNoteIssued:
    """A credit note takes an invoice back."""

    type: ClassVar[str] = "credit_note.issued"
    credit_note: CreditNoteFacts

    @property
    def tenant_id(self) -> UUID:
        """Return whose credit note it is."""
        return self.credit_note.tenant_id

    @property
    def dedupe_key(self) -> str:
        """Return the happening's one name."""
        return f"{self.type}:{self.credit_note.id}"

    def as_body(self) -> dict[str, object]:
        """Return the credit note as the API shows it."""
        return self.credit_note.as_body()
