"""Rows of billing's tables, written past the services as a person with a database prompt would write them."""

from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

import pytest
from django.db import IntegrityError

from accounts.models import StoredFile
from accounts.notices.models import OutboundMail, OutboxEvent
from billing.banking.models import BankEntry, BankStatement
from billing.dunning.domain.states import CaseKind, StepKind
from billing.dunning.models import DunningCase, DunningPause, DunningSchedule, DunningStep
from billing.models import (
    BillingException,
    CreditNote,
    CreditSetOff,
    DocumentFile,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceTax,
    Payment,
    PaymentAllocation,
    PaymentDispute,
    PaymentRefund,
    Price,
    SingleItem,
    Subscription,
    TaxIdCheck,
)
from metering.alerts.models import ThresholdAlert
from metering.models import Meter

NOW: Final = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
DIGEST: Final = "0" * 64


def draft(subscription: Subscription, **fields: Any) -> Invoice:
    facts = {
        "tenant_id": subscription.tenant_id,
        "subscription": subscription,
        "boundary": 0,
        "currency": "EUR",
        "period_start": NOW,
        "period_end": NOW,
        "lines_digest": DIGEST,
        "subtotal_minor": 4900,
        "tax_minor": 931,
        "total_minor": 5831,
        "drafted_at": NOW,
        "computed_at": NOW,
        "finalize_after": NOW,
    }
    return Invoice.objects.create(id=uuid4(), **(facts | fields))


def single_item(subscription: Subscription, **fields: Any) -> SingleItem:
    facts = {
        "tenant_id": subscription.tenant_id,
        "subscription": subscription,
        "description": "Setup",
        "quantity": Decimal(1),
        "unit_price": Decimal(5),
        "first_on": date(2026, 3, 1),
        "last_on": date(2026, 3, 1),
        "amount_minor": 500,
        "currency": "EUR",
        "reason": "agreed",
        "created_at": NOW,
        "created_by": "staff",
    }
    return SingleItem.objects.create(id=uuid4(), **(facts | fields))


def issued(number: str = "INV-2026-000001", **fields: Any) -> dict[str, Any]:
    """Return the fields that a draft gets when it is finalized."""
    facts = {
        "status": "finalized",
        "number": number,
        "finalized_at": NOW,
        "issued_on": NOW.date(),
        "due_on": NOW.date(),
    }
    return facts | fields


def line(invoice: Invoice, **fields: Any) -> InvoiceLine:
    price = (
        Price.objects.filter(plan_version=invoice.subscription.plan_version, kind="usage").select_related("meter").get()
    )
    facts = {
        "invoice": invoice,
        "revision": 1,
        "position": 1,
        "kind": "usage",
        "description": "Calls",
        "plan_version_id": price.plan_version_id,
        "price": price,
        "meter": price.meter,
        "period_start": NOW,
        "period_end": NOW,
        "quantity": 1,
        "events": 1,
        "amount_minor": 0,
        "explanation": {},
        "tax_category": "S",
        "tax_treatment": "standard",
        "supplied_on": NOW.date(),
    }
    return InvoiceLine.objects.create(**(facts | fields))


def tax(invoice: Invoice, **fields: Any) -> InvoiceTax:
    facts = {
        "invoice": invoice,
        "revision": 1,
        "position": 1,
        "jurisdiction": "BE",
        "category": "S",
        "treatment": "standard",
        "name": "VAT",
        "percent": Decimal(19),
        "base_minor": 4900,
        "tax_minor": 931,
    }
    return InvoiceTax.objects.create(**(facts | fields))


def payment(invoice: Invoice, **fields: Any) -> Payment:
    facts = {
        "tenant_id": invoice.tenant_id,
        "invoice": invoice,
        "provider": "stripe",
        "reference": "in_1",
        "status": "succeeded",
        "amount_minor": 5831,
        "currency": "EUR",
        "occurred_at": NOW,
        "created_at": NOW,
    }
    return Payment.objects.create(**(facts | fields))


def allocation(payment: Payment, invoice: Invoice, **fields: Any) -> PaymentAllocation:
    facts = {
        "tenant_id": payment.tenant_id,
        "payment": payment,
        "invoice": invoice,
        "amount_minor": 5831,
        "created_at": NOW,
        "created_by": "staff",
    }
    return PaymentAllocation.objects.create(**(facts | fields))


def refund(payment: Payment, **fields: Any) -> PaymentRefund:
    facts = {
        "tenant_id": payment.tenant_id,
        "payment": payment,
        "way": "bank_transfer",
        "reference": "statement 9",
        "amount_minor": 100,
        "currency": "EUR",
        "reason": "Paid twice.",
        "occurred_at": NOW,
        "created_at": NOW,
        "created_by": "staff",
    }
    return PaymentRefund.objects.create(**(facts | fields))


def dispute(payment: Payment, **fields: Any) -> PaymentDispute:
    facts = {
        "tenant_id": payment.tenant_id,
        "payment": payment,
        "reference": "du_1",
        "state": "open",
        "amount_minor": 100,
        "currency": "EUR",
        "occurred_at": NOW,
        "created_at": NOW,
    }
    return PaymentDispute.objects.create(**(facts | fields))


def bank_entry() -> None:
    """Create a statement with an entry."""
    statement = BankStatement.objects.create(
        sha256="0" * 64, format="CSV", first_on=NOW.date(), last_on=NOW.date(), entries_total=1, entries_known=0,
        imported_at=NOW, imported_by="bo",
    )  # fmt: skip
    facts = {"booked_on": NOW.date(), "amount_minor": 1, "currency": "EUR"}
    BankEntry.objects.create(statement=statement, key="1", **facts)


def dunning(invoice: Invoice, /) -> None:
    """Create a case with a step, and a pause."""
    case = DunningCase.objects.create(
        tenant_id=invoice.tenant_id,
        subscription_id=invoice.subscription_id,
        invoice=invoice,
        schedule=DunningSchedule.objects.earliest("pk"),
        kind=CaseKind.CHARGE,
        opened_at=NOW,
    )
    DunningStep.objects.create(case=case, position=1, kind=StepKind.RETRY, due_at=NOW)
    DunningPause.objects.create(tenant_id=invoice.tenant_id, reason="Agreed.", paused_at=NOW, paused_by="bo")


def credit_note(invoice: Invoice, /, **fields: Any) -> CreditNote:
    facts = {
        "tenant_id": invoice.tenant_id,
        "invoice": invoice,
        "number": "CN-2026-000001",
        "currency": "EUR",
        "subtotal_minor": 4900,
        "tax_minor": 931,
        "total_minor": 5831,
        "reason": "Billed twice.",
        "issued_on": date(2026, 3, 11),
        "issued_at": NOW,
        "issued_by": "staff",
        "content": {},
        "content_digest": DIGEST,
    }
    return CreditNote.objects.create(id=uuid4(), **(facts | fields))


def document(invoice: Invoice) -> InvoiceDocument:
    return InvoiceDocument.objects.create(invoice=invoice, content={}, content_digest=DIGEST, created_at=NOW)


def pdf(invoice: Invoice) -> DocumentFile:
    stored = StoredFile.objects.create(sha256=DIGEST, media_type="application/pdf", content=b"%PDF", created_at=NOW)
    return DocumentFile.objects.create(number=str(invoice.number), file=stored, created_at=NOW)


def alert(subscription: Subscription, **fields: Any) -> ThresholdAlert:
    facts = {
        "tenant_id": subscription.tenant_id,
        "agreement_id": subscription.pk,
        "meter": Meter.objects.get(code="calls"),
        "quota_period": "month",
        "period_start_on": date(2026, 3, 1),
        "threshold": 80,
        "limit": 1000,
        "quantity": 801,
        "occurred_at": NOW,
    }
    return ThresholdAlert.objects.create(**(facts | fields))


def tax_id_check(subscription: Subscription) -> TaxIdCheck:
    said = {"tax_id": "DE136695976", "is_valid": True, "source": "vies", "checked_at": NOW}
    return TaxIdCheck.objects.create(tenant_id=subscription.tenant_id, **said)


def outbox_event(subscription: Subscription) -> OutboxEvent:
    return OutboxEvent.objects.create(
        id=uuid4(),
        tenant_id=subscription.tenant_id,
        type="invoice.paid",
        payload={},
        dedupe_key=uuid4().hex,
        occurred_at=NOW,
    )


def mail(subscription: Subscription, **fields: Any) -> OutboundMail:
    facts = {
        "tenant_id": subscription.tenant_id,
        "kind": "invoice",
        "dedupe_key": uuid4().hex,
        "recipients": ["bills@acme.example"],
        "subject": "Invoice",
        "text": "Invoice",
        "html": "<p>Invoice</p>",
        "created_at": NOW,
        "next_attempt_at": NOW,
    }
    return OutboundMail.objects.create(**(facts | fields))


def set_off(invoice: Invoice, **fields: Any) -> CreditSetOff:
    said = {"code": "credit_left", "detail": "left", "occurred_at": NOW, "amount_minor": 100}
    exception = BillingException.objects.filter(code="credit_left").first() or BillingException.objects.create(
        subscription=invoice.subscription, **said
    )
    facts = {"tenant_id": invoice.tenant_id, "exception": exception, "invoice": invoice, "amount_minor": 100}
    return CreditSetOff.objects.create(created_at=NOW, **(facts | fields))


def refuses(name: str) -> AbstractContextManager[object]:
    """Expect the constraint of this name to refuse a row."""
    return pytest.raises(IntegrityError, match=name)
