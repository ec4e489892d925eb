"""The events behind a line of an invoice: what its meter had counted when the invoice was last computed."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import F, QuerySet

from accounts.domain.pages import Page, PageRequest
from accounts.errors import NotFoundError
from billing.models import Invoice, InvoiceLine
from billing.selectors.invoicing.invoices import ISSUED_STATUSES
from metering.domain.periods import Span
from metering.errors import EventsDeletedError
from metering.selectors.catalog import meter_rules
from metering.selectors.events import StoredEvent, counted_events_page
from metering.selectors.ledgers import half_of
from metering.selectors.retention import deleted_before


def line_at(*, invoice: Invoice, position: int) -> InvoiceLine:
    """Return a line of the invoice as it was issued. Raises `NotFoundError`."""
    line = InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision, position=position).first()
    if line is None:
        raise NotFoundError("The invoice has no such line.")
    return line


def events_behind(*, line: InvoiceLine, page: PageRequest) -> Page[StoredEvent]:
    """Return a page of the events that a line counts, newest first.

    For a correction, these are all events of the span that it corrects, as they are counted since.

    Raises `NotFoundError` for a line that counts nothing, `EventsDeletedError` if events of its span are deleted,
    `InvalidCursorError`, `QueryTooLargeError`.
    """
    if line.meter_id is None:
        raise NotFoundError("This line counts no events.")
    deleted = deleted_before()
    if deleted is not None and line.period_start < deleted[0]:
        raise EventsDeletedError(
            f"The raw events before {deleted[0]:%-d %B %Y} were deleted on {deleted[1]:%-d %B %Y}."
            " What they came to was verified and sealed before."
        )
    tenant = line.invoice.tenant
    meter = next(rule for rule in meter_rules() if rule.id == line.meter_id)
    return counted_events_page(
        ledger=half_of(tenant, is_live=True),
        meter=meter,
        span=Span(line.period_start, line.period_end),
        known_at=line.invoice.computed_at,
        page=page,
    )


def lines_charging(*, tenant_id: UUID, event: StoredEvent, meter_ids: Collection[int]) -> QuerySet[InvoiceLine]:
    """Return the lines of issued invoices that count a live event of the tenant by these meters, the oldest first.

    A line counts what was known when its invoice was last computed: not an event that came later, nor one that was
    voided by then. Corrections of a line count all events of its span.
    """
    lines: QuerySet[InvoiceLine] = InvoiceLine.objects.filter(
        invoice__tenant=tenant_id,
        invoice__status__in=ISSUED_STATUSES,
        revision=F("invoice__revision"),
        meter_id__in=list(meter_ids),
        period_start__lte=event.occurred_at,
        period_end__gt=event.occurred_at,
        invoice__computed_at__gt=event.received_at,
    )
    if event.void is not None:
        lines = lines.filter(invoice__computed_at__lte=event.void.voided_at)
    return lines.select_related("invoice").order_by("invoice__finalized_at", "position")
