"""Receipts and statements of account: made when they are asked for, and not kept."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import F, Sum

from accounts.models import Tenant
from billing.domain.documents import CUSTOMER_FIELDS, ISSUER_FIELDS
from billing.domain.papers import (
    PaidPart,
    PaperHeading,
    ReceivedPayment,
    entry_words,
    receipt_content,
    statement_content,
)
from billing.ledger.selectors.statements import Statement
from billing.models import MANUAL_PROVIDER, BillingProfile, Issuer, Payment, PaymentAllocation
from billing.rendering.services.logos import logo_of
from billing.rendering.services.papers import render_receipt, render_statement
from metering.domain.periods import local_day

TRANSFER = "Bank transfer"


def receipt_pdf(*, payment: Payment, as_of: datetime) -> bytes:
    """Return the receipt of a payment that came in, with what it pays now."""
    issuer = Issuer.objects.get(pk=1)
    pays = PaymentAllocation.objects.filter(payment=payment).order_by("invoice__number")
    sums = pays.values("invoice__number").annotate(amount=Sum("amount_minor"), total=F("invoice__total_minor"))
    received = ReceivedPayment(
        reference=payment.reference,
        received_on=local_day(payment.occurred_at, issuer.time_zone),
        method=TRANSFER if payment.provider == MANUAL_PROVIDER else payment.provider_title,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        refunded_minor=payment.refunded_minor,
        pays=[PaidPart(str(row["invoice__number"]), row["amount"], row["total"]) for row in sums if row["amount"]],
    )
    content = receipt_content(_heading(payment.tenant, issuer, as_of), received)
    return render_receipt(content, logo_of(content))


def statement_pdf(*, tenant: Tenant, statements: Sequence[Statement], as_of: datetime) -> bytes:
    """Return statements of a tenant, each of another currency and all of the same days, as one document."""
    assert statements, "there is an account to tell of"
    accounts = [
        {
            "currency": one.currency,
            "opening_minor": one.opening_minor,
            "closing_minor": one.closing_minor,
            "rows": [
                {
                    "day": row.posted_on.isoformat(),
                    "what": entry_words(row.kind),
                    "document": row.document,
                    "amount_minor": row.amount_minor,
                    "balance_minor": row.balance_minor,
                }
                for row in one.rows
            ],
        }
        for one in statements
    ]
    heading = _heading(tenant, Issuer.objects.get(pk=1), as_of)
    content = statement_content(heading, first=statements[0].first, end=statements[0].end, accounts=accounts)
    return render_statement(content, logo_of(content))


def _heading(tenant: Tenant, issuer: Issuer, as_of: datetime) -> PaperHeading:
    profile = BillingProfile.objects.filter(tenant=tenant).first() or BillingProfile()
    return PaperHeading(
        issued_on=local_day(as_of, issuer.time_zone),
        issuer={name: getattr(issuer, name) for name in ISSUER_FIELDS},
        customer={name: getattr(tenant, name) for name in CUSTOMER_FIELDS},
        language=profile.language,
        logo=issuer.logo,
    )
