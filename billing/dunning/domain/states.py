"""The states of a dunning case, of its steps, and of the customer meanwhile. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class CaseKind(StrEnum):
    """How the invoice is to be paid: by a card that was declined, or by the customer's own transfer."""

    CHARGE = "charge"
    TRANSFER = "transfer"


class CaseStatus(StrEnum):
    """An exhausted case has no steps left and its invoice is still unpaid; a closed one is no longer owed."""

    OPEN = "open"
    EXHAUSTED = "exhausted"
    RECOVERED = "recovered"
    CLOSED = "closed"


CASE_TRANSITIONS: Final[Mapping[CaseStatus, frozenset[CaseStatus]]] = {
    CaseStatus.OPEN: frozenset({CaseStatus.EXHAUSTED, CaseStatus.RECOVERED, CaseStatus.CLOSED}),
    CaseStatus.EXHAUSTED: frozenset({CaseStatus.RECOVERED, CaseStatus.CLOSED}),
    CaseStatus.RECOVERED: frozenset(),
    CaseStatus.CLOSED: frozenset(),
}
UNPAID_STATUSES: Final = frozenset({CaseStatus.OPEN, CaseStatus.EXHAUSTED})


class ServiceStage(StrEnum):
    """The state of the customer's service while an invoice is unpaid."""

    PAST_DUE = "past_due"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


class StepKind(StrEnum):
    """The act of a step. A warning announces the cancellation; interest and thanks follow a payment."""

    NOTICE = "notice"
    RETRY = "retry"
    REMINDER = "reminder"
    FEE = "fee"
    WARNING = "warning"
    SUSPEND = "suspend"
    CANCEL = "cancel"
    INTEREST = "interest"
    THANKS = "thanks"


# Steps of a case that is no longer open: they follow the payment.
AFTER_PAYMENT: Final = frozenset({StepKind.INTEREST, StepKind.THANKS})


class StepStatus(StrEnum):
    """A running step calls the payment provider; if its process is killed, it runs again as the same attempt."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
