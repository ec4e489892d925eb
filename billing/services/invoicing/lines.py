"""Storing computed lines: each revision of an invoice has its own, and none is ever changed."""

from collections.abc import Iterable
from uuid import UUID

from billing.domain.invoicing import ComputedInvoice
from billing.models import InvoiceLine

LINES_PER_STATEMENT = 2000


def store_lines(computed: Iterable[tuple[UUID, int, ComputedInvoice]]) -> None:
    """Add the lines of each invoice under its revision."""
    InvoiceLine.objects.bulk_create(
        [
            InvoiceLine(
                invoice_id=invoice_id,
                revision=revision,
                position=position,
                kind=line.kind,
                description=line.description,
                plan_version_id=line.plan_version_id,
                price_id=line.price_id,
                meter_id=line.meter_id,
                adjusts_id=line.adjusts_id,
                period_start=line.period.start,
                period_end=line.period.end,
                quantity=line.quantity,
                unit=line.unit,
                events=line.events,
                amount_minor=line.amount_minor,
                explanation=dict(line.explanation),
            )
            for invoice_id, revision, invoice in computed
            for position, line in enumerate(invoice.lines, start=1)
        ],
        batch_size=LINES_PER_STATEMENT,
    )
