"""The tables of the billing app."""

from billing.models.catalog import Plan, PlanVersion, Price
from billing.models.invoice import (
    CreditNote,
    DocumentFile,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    Issuer,
    LineKind,
    NumberSeries,
    TaxRate,
)
from billing.models.notice import THRESHOLDS, ThresholdAlert
from billing.models.payment import (
    InboxStatus,
    Payment,
    PaymentProvider,
    PaymentStatus,
    PushStatus,
    StripeInboxEvent,
    UsagePush,
)
from billing.models.subscription import (
    BillingException,
    BillingProfile,
    Subscription,
    SubscriptionPhase,
)

__all__ = [
    "THRESHOLDS",
    "BillingException",
    "BillingProfile",
    "CreditNote",
    "DocumentFile",
    "InboxStatus",
    "Invoice",
    "InvoiceDocument",
    "InvoiceLine",
    "Issuer",
    "LineKind",
    "NumberSeries",
    "Payment",
    "PaymentProvider",
    "PaymentStatus",
    "Plan",
    "PlanVersion",
    "Price",
    "PushStatus",
    "StripeInboxEvent",
    "Subscription",
    "SubscriptionPhase",
    "TaxRate",
    "ThresholdAlert",
    "UsagePush",
]
