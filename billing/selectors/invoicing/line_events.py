"""The events behind a line of an invoice: what its meter had counted when the invoice was last computed."""

from accounts.domain.pages import Page, PageRequest
from accounts.errors import NotFoundError
from billing.models import Invoice, InvoiceLine
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
