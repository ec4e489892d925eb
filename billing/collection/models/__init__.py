"""The tables of collection."""

from billing.collection.models.inbox import InboxEvent, InboxStatus
from billing.collection.models.provider import ProviderAgreement, ProviderCustomer, ProviderInvoice
from billing.collection.models.usage_push import PushStatus, UsagePush

__all__ = [
    "InboxEvent",
    "InboxStatus",
    "ProviderAgreement",
    "ProviderCustomer",
    "ProviderInvoice",
    "PushStatus",
    "UsagePush",
]
