"""Rows of collection's tables, written past the services as a person with a database prompt would write them."""

from typing import Any
from uuid import uuid4

from billing.collection.models import (
    InboxEvent,
    PaymentFinding,
    ProviderAgreement,
    ProviderCustomer,
    ProviderInvoice,
    ProviderRefund,
    UsagePush,
)
from billing.models import Invoice, PaymentRefund, Subscription
from metering.models import Meter
from tests.billing.models.rows import NOW


def customer(subscription: Subscription, **fields: Any) -> ProviderCustomer:
    facts = {"tenant_id": subscription.tenant_id, "provider": "stripe", "reference": "cus_1"}
    return ProviderCustomer.objects.create(**(facts | fields))


def agreement(subscription: Subscription, **fields: Any) -> ProviderAgreement:
    facts = {"subscription": subscription, "provider": "stripe", "reference": "sub_1", "status": "active"}
    return ProviderAgreement.objects.create(**(facts | fields))


def collecting(invoice: Invoice, **fields: Any) -> ProviderInvoice:
    return ProviderInvoice.objects.create(**({"invoice": invoice, "provider": "stripe", "reference": "in_1"} | fields))


def provider_refund(refund: PaymentRefund, **fields: Any) -> ProviderRefund:
    facts = {
        "refund": refund,
        "tenant_id": refund.tenant_id,
        "provider": "stripe",
        "reference": "re_1",
        "status": "succeeded",
    }
    return ProviderRefund.objects.create(**(facts | fields))


def inbox_event(**fields: Any) -> InboxEvent:
    facts = {
        "provider": "stripe",
        "event_id": "evt_1",
        "type": "invoice.paid",
        "payload": {},
        "received_at": NOW,
    }
    return InboxEvent.objects.create(**(facts | fields))


def push(subscription: Subscription, **fields: Any) -> UsagePush:
    facts = {
        "provider": "stripe",
        "tenant_id": subscription.tenant_id,
        "meter": Meter.objects.get(code="calls"),
        "hour": NOW,
        "quantity": 1,
        "identifier": uuid4().hex,
        "created_at": NOW,
    }
    return UsagePush.objects.create(**(facts | fields))


def finding(**fields: Any) -> PaymentFinding:
    facts = {
        "provider": "stripe", "subject": "payment in_1", "code": "amount", "ours": "1.00 EUR", "theirs": "2.00 EUR",
        "explanation": "They differ.", "happened_at": NOW, "opened_at": NOW, "seen_at": NOW,
    }  # fmt: skip
    return PaymentFinding.objects.create(**(facts | fields))
