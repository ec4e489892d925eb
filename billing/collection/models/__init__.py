"""The tables of collection."""

from billing.collection.models.finding import PaymentFinding
from billing.collection.models.inbox import InboxEvent, InboxStatus
from billing.collection.models.provider import (
    ProviderAgreement,
    ProviderChoice,
    ProviderCustomer,
    ProviderInvoice,
    ProviderRefund,
    PushDelay,
)
from billing.collection.models.usage_push import PushStatus, UsagePush

__all__ = [
    "InboxEvent",
    "InboxStatus",
    "PaymentFinding",
    "ProviderAgreement",
    "ProviderChoice",
    "ProviderCustomer",
    "ProviderInvoice",
    "ProviderRefund",
    "PushDelay",
    "PushStatus",
    "UsagePush",
]
