"""Rows of the desk's tables written past the services."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from billing.desk.models import Approval, LineQuestion, WriteOff
from billing.models import Invoice
from tests.billing.models.rows import NOW


def write_off(invoice: Invoice, **fields: Any) -> WriteOff:
    facts = {
        "tenant_id": invoice.tenant_id,
        "invoice": invoice,
        "amount_minor": 100,
        "currency": "EUR",
        "reason": "Bankrupt.",
        "created_at": NOW,
        "created_by": "staff",
    }
    return WriteOff.objects.create(id=uuid4(), **(facts | fields))


def approval(about: Invoice, **fields: Any) -> Approval:
    facts = {
        "tenant_id": about.tenant_id,
        "kind": "write_off",
        "invoice": about,
        "amount_minor": 5831,
        "currency": "EUR",
        "reason": "Bankrupt.",
        "requested_at": NOW,
        "expires_at": NOW + timedelta(days=14),
    }
    return Approval.objects.create(id=uuid4(), **(facts | fields))


def line_question(about: Invoice, **fields: Any) -> LineQuestion:
    facts = {
        "tenant_id": about.tenant_id,
        "invoice": about,
        "position": 1,
        "description": "Calls",
        "reason": "They were sent twice.",
        "asked_at": NOW,
    }
    return LineQuestion.objects.create(id=uuid4(), **(facts | fields))
