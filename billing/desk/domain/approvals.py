"""Four eyes: what one member of staff asks for, and what another one approves. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final


class ApprovalKind(StrEnum):
    """What is asked for."""

    WRITE_OFF = "write_off"
    REFUND = "refund"
    MANUAL_INVOICE = "manual_invoice"
    SINGLE_ITEM = "single_item"


class ApprovalStatus(StrEnum):
    """A request is open until it is decided; one that lapsed was too late, or its object had changed meanwhile."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


APPROVAL_TRANSITIONS: Final[Mapping[ApprovalStatus, frozenset[ApprovalStatus]]] = {
    ApprovalStatus.OPEN: frozenset(ApprovalStatus) - {ApprovalStatus.OPEN},
    ApprovalStatus.APPROVED: frozenset(),
    ApprovalStatus.REJECTED: frozenset(),
    ApprovalStatus.WITHDRAWN: frozenset(),
    ApprovalStatus.LAPSED: frozenset(),
}
OPEN_FOR: Final = timedelta(days=14)


def needs_second_person(own: Decimal | None, limit: Decimal | None) -> bool:
    """Return whether an amount needs a second member of staff.

    Both are in the major unit of the seller's currency. Without a limit none does; an amount that cannot be converted
    does.
    """
    if limit is None:
        return False
    return own is None or own > limit
