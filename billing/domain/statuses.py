"""Which status of a subscription or an invoice may follow which. Services change them by compare-and-set."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

Status = TypeVar("Status", bound=StrEnum)


class SubscriptionStatus(StrEnum):
    """A subscription that is past due goes on: what happens then is the operator's choice."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELLED = "cancelled"


SUBSCRIPTION_TRANSITIONS: Final[Mapping[SubscriptionStatus, frozenset[SubscriptionStatus]]] = {
    SubscriptionStatus.TRIALING: frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELLED}),
    SubscriptionStatus.ACTIVE: frozenset({SubscriptionStatus.PAST_DUE, SubscriptionStatus.CANCELLED}),
    SubscriptionStatus.PAST_DUE: frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELLED}),
    SubscriptionStatus.CANCELLED: frozenset(),
}
LIVE_STATUSES: Final = frozenset(SubscriptionStatus) - {SubscriptionStatus.CANCELLED}


class InvoiceStatus(StrEnum):
    """A draft may still change; from `finalized` on only its payment does.

    A paid one is owed again when the money that paid it is found to be another's.
    """

    DRAFT = "draft"
    FINALIZED = "finalized"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


INVOICE_TRANSITIONS: Final[Mapping[InvoiceStatus, frozenset[InvoiceStatus]]] = {
    InvoiceStatus.DRAFT: frozenset({InvoiceStatus.FINALIZED}),
    InvoiceStatus.FINALIZED: frozenset({InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE}),
    InvoiceStatus.UNCOLLECTIBLE: frozenset({InvoiceStatus.PAID, InvoiceStatus.VOID}),
    InvoiceStatus.PAID: frozenset({InvoiceStatus.FINALIZED}),
    InvoiceStatus.VOID: frozenset(),
}


def statuses_before(transitions: Mapping[Status, frozenset[Status]], status: Status) -> frozenset[Status]:
    """Return the statuses from which one may come to `status`."""
    return frozenset(before for before, after in transitions.items() if status in after)
