"""What staff are told through their channels. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class StaffNoticeKind(StrEnum):
    """The kinds of notices to staff."""

    PAYMENT_FAILED = "payment_failed"
    EXCEPTION = "exception"
    DRIFT = "drift"
    NEW_CUSTOMER = "new_customer"
    ANOMALY = "anomaly"


STAFF_LABELS: Final = MappingProxyType(
    {
        StaffNoticeKind.PAYMENT_FAILED: "Failed payments",
        StaffNoticeKind.EXCEPTION: "Billing exceptions",
        StaffNoticeKind.DRIFT: "Differences in the books",
        StaffNoticeKind.NEW_CUSTOMER: "New customers",
        StaffNoticeKind.ANOMALY: "Unusual usage of customers",
    }
)
# Told at once, also in quiet hours.
URGENT: Final = frozenset({StaffNoticeKind.DRIFT})


@dataclass(frozen=True, slots=True)
class NewStaffNotice:
    """Something that staff are told once for each `key`. `page` is its address in the admin."""

    kind: StaffNoticeKind
    key: str
    title: str
    text: str
    page: str
    at: datetime
