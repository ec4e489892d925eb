"""Issued invoices that a filter finds, with their sums by currency and their PDFs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum

from billing.domain.statuses import InvoiceStatus
from billing.models import DocumentFile, Invoice, InvoiceLine
from billing.selectors.invoicing.invoices import issued_invoices

OVERDUE = "overdue"
OPEN = "open"
_FILES_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """Which invoices are wanted: a state, the days of issue (both included), and a text of the number or a line.

    A state is a status, or `OPEN` or `OVERDUE`, which are the two halves of finalized: an invoice whose payment failed
    is overdue. An empty field asks for nothing.
    """

    state: str = ""
    first: date | None = None
    last: date | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class CurrencySums:
    """What the found invoices of one currency come to. Void ones are in the count alone, and only open ones are due."""

    currency: str
    invoices: int
    total_minor: int
    paid_minor: int
    credited_minor: int
    due_minor: int


def found_invoices(*, tenant_id: UUID, wanted: InvoiceFilter, today: date) -> QuerySet[Invoice]:
    """Return the tenant's issued invoices that the filter finds, the newest first; `today` is the issuer's day."""
    found = issued_invoices(tenant_id=tenant_id)
    if wanted.state in {OPEN, OVERDUE}:
        is_late = Q(due_on__lt=today) | Q(payment_failed_at__isnull=False)
        found = found.filter(is_late if wanted.state == OVERDUE else ~is_late, status=InvoiceStatus.FINALIZED)
    elif wanted.state:
        found = found.filter(status=wanted.state)
    if wanted.first is not None:
        found = found.filter(issued_on__gte=wanted.first)
    if wanted.last is not None:
        found = found.filter(issued_on__lte=wanted.last)
    if wanted.text:
        lines = InvoiceLine.objects.filter(
            invoice__tenant=tenant_id, revision=F("invoice__revision"), description__icontains=wanted.text
        )
        found = found.filter(Q(number__icontains=wanted.text) | Q(pk__in=lines.order_by().values("invoice")))
    return found


def sums_by_currency(invoices: QuerySet[Invoice]) -> list[CurrencySums]:
    """Return the sums of the invoices by currency, in one query."""
    is_owed, is_open = ~Q(status=InvoiceStatus.VOID), Q(status=InvoiceStatus.FINALIZED)
    due = F("total_minor") - F("amount_paid_minor") - F("credited_minor")
    rows = (
        invoices.order_by()
        .values("currency")
        .annotate(
            invoices=Count("pk"),
            sum_total=Sum("total_minor", filter=is_owed, default=0),
            sum_paid=Sum("amount_paid_minor", filter=is_owed, default=0),
            sum_credited=Sum("credited_minor", filter=is_owed, default=0),
            sum_due=Sum(due, filter=is_open, default=0),
        )
        .order_by("currency")
    )
    return [
        CurrencySums(
            currency=row["currency"],
            invoices=row["invoices"],
            total_minor=row["sum_total"],
            paid_minor=row["sum_paid"],
            credited_minor=row["sum_credited"],
            due_minor=row["sum_due"],
        )
        for row in rows
    ]


def pdfs_of(numbers: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the number and the stored PDF of each document that has one, reading few at a time."""
    for start in range(0, len(numbers), _FILES_AT_ONCE):
        some = DocumentFile.objects.filter(pk__in=numbers[start : start + _FILES_AT_ONCE])
        for number, content in some.order_by("pk").values_list("pk", "file__content"):
            yield number, bytes(content)
