"""The tables of the billing app."""

from billing.models.catalog import Plan, PlanVersion, Price, PricingQuestion
from billing.models.credit_note import CreditNote, CreditTarget
from billing.models.invoice import (
    DocumentFile,
    Invoice,
    InvoiceDocument,
    InvoiceKind,
    InvoiceLine,
    InvoiceTax,
    Issuer,
    LineKind,
    NumberSeries,
)
from billing.models.payment import (
    MANUAL_PROVIDER,
    CreditSetOff,
    DisputeState,
    InvoiceHold,
    Payment,
    PaymentAllocation,
    PaymentDispute,
    PaymentRefund,
    PaymentStatus,
    RefundWay,
)
from billing.models.single_item import SingleItem
from billing.models.subscription import (
    BillingException,
    BillingProfile,
    Subscription,
    SubscriptionPhase,
)
from billing.models.tax import ExchangeRate, TaxIdCheck, TaxRate, TaxRegistration

__all__ = [
    "MANUAL_PROVIDER",
    "BillingException",
    "BillingProfile",
    "CreditNote",
    "CreditSetOff",
    "CreditTarget",
    "DisputeState",
    "DocumentFile",
    "ExchangeRate",
    "Invoice",
    "InvoiceDocument",
    "InvoiceHold",
    "InvoiceKind",
    "InvoiceLine",
    "InvoiceTax",
    "Issuer",
    "LineKind",
    "NumberSeries",
    "Payment",
    "PaymentAllocation",
    "PaymentDispute",
    "PaymentRefund",
    "PaymentStatus",
    "Plan",
    "PlanVersion",
    "Price",
    "PricingQuestion",
    "RefundWay",
    "SingleItem",
    "Subscription",
    "SubscriptionPhase",
    "TaxIdCheck",
    "TaxRate",
    "TaxRegistration",
]
