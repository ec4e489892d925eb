"""Posting documents that the ledger of accounts does not have: those of a database that is older than the ledger.

Each is posted on its own day. Run again, it finds nothing; a document whose sums do not come out even stays out, and
the check `ledger_ties` names it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, Coalesce

from billing.domain.statuses import InvoiceStatus
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.models import JournalEntry
from billing.ledger.services.posting import post
from billing.ledger.services.releasing import release_deferred
from billing.models import (
    CreditNote,
    Invoice,
    Payment,
    PaymentAllocation,
    PaymentRefund,
    PaymentStatus,
)
from billing.selectors.booking import issued_invoices
from billing.selectors.issuer import issuers_day, issuers_time_zone
from billing.services.booking import (
    book_allocation,
    book_credit_note,
    book_invoices,
    book_payment,
    book_refund,
    book_void,
    payment_happening,
)

BATCH_SIZE: Final = 500
# What a payment paid when it came is posted with it.
_OWN: Final = Q(reverses=None, created_at=F("payment__created_at"), invoice=F("payment__invoice"))


def post_documents(*, as_of: datetime) -> int:
    """Post every document and payment that has no entry yet, in batches; return how many were posted."""
    time_zone = issuers_time_zone()
    posted = _post_in_batches(_without_entry(Invoice.objects.issued(), EntryKind.INVOICE), _post_invoices)
    payments = _without_entry(
        Payment.objects.filter(status__in=[PaymentStatus.SUCCEEDED, PaymentStatus.UNMATCHED]), EntryKind.PAYMENT
    )
    own = PaymentAllocation.objects.filter(_OWN, payment=OuterRef("pk")).order_by().values("payment")
    payments = payments.annotate(own_minor=Coalesce(Subquery(own.annotate(sum=Sum("amount_minor")).values("sum")), 0))
    plain = payments.filter(invoice__uncollectible_at=None)
    posted += _post_in_batches(plain, partial(_post_payments, time_zone=time_zone))
    posted += _post_one_by_one(payments.exclude(invoice__uncollectible_at=None))
    release_deferred(month=issuers_day(as_of).replace(day=1), as_of=as_of)
    return posted


def _post_in_batches(rows: "QuerySet[Any]", post_some: Callable[[Sequence[Any]], int]) -> int:
    """Post rows in the order of their keys, each batch in a transaction of its own."""
    posted, some = 0, list(rows.order_by("pk")[:BATCH_SIZE])
    while some:
        with transaction.atomic():
            posted += post_some(some)
        some = list(rows.filter(pk__gt=some[-1].pk).order_by("pk")[:BATCH_SIZE])
    return posted


def _post_invoices(invoices: Sequence[Invoice]) -> int:
    models.prefetch_related_objects(invoices, "subscription")
    return book_invoices([issued for issued in issued_invoices(invoices) if issued.is_sound])


def _post_payments(payments: Sequence[Any], *, time_zone: str) -> int:
    models.prefetch_related_objects(payments, "invoice")
    return post(
        [
            payment_happening(payment, payment.invoice, allocated_minor=payment.own_minor, time_zone=time_zone)
            for payment in payments
        ]
    )


def _post_one_by_one(payments: "QuerySet[Payment]") -> int:
    """Post what follows from what stands on an invoice, in the order in which it happened."""
    notes = _without_entry(CreditNote.objects.exclude(invoice=None), EntryKind.CREDIT_NOTE).select_related("invoice")
    voids = _without_entry(Invoice.objects.filter(status=InvoiceStatus.VOID, credit_note=None), EntryKind.VOID)
    allocations = _without_entry(PaymentAllocation.objects.exclude(_OWN), EntryKind.ALLOCATION)
    refunds = _without_entry(PaymentRefund.objects.all(), EntryKind.REFUND)
    # Of what happened at one instant, money is freed before its invoice is credited, and given back after that.
    events: chain[tuple[datetime, Callable[[], None]]] = chain(
        ((row.occurred_at, partial(_post_payment, row)) for row in payments.select_related("invoice")),
        ((row.created_at, partial(_post_allocation, row)) for row in allocations.select_related("invoice")),
        ((row.issued_at, partial(book_credit_note, row, row.invoice, as_of=row.issued_at)) for row in notes),
        ((row.voided_at, partial(book_void, row, as_of=row.voided_at)) for row in voids),
        ((row.occurred_at, partial(book_refund, row)) for row in refunds.select_related("payment")),
    )
    in_order = sorted(events, key=lambda event: event[0])
    for _, book in in_order:
        with transaction.atomic():
            book()
    return len(in_order)


def _post_payment(payment: Any) -> None:
    book_payment(payment, payment.invoice, allocated_minor=payment.own_minor)


def _post_allocation(row: PaymentAllocation) -> None:
    book_allocation(row.invoice, source=str(row.pk), amount_minor=row.amount_minor, as_of=row.created_at)


def _without_entry(rows: "QuerySet[Any]", kind: EntryKind) -> "QuerySet[Any]":
    key = Cast(OuterRef("pk"), models.CharField())
    return rows.filter(~Exists(JournalEntry.objects.filter(kind=kind, source=key)))
