"""Usage lines beside the raw ledger: what had been invoiced of each at some moment, and what the ledger held then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db.models import Max

from billing.domain.invoicing.lines import Used
from billing.domain.verification.batch import ARRIVAL_MARGIN, RUN_MARGIN, Bounds, Checkpoint
from billing.models import Invoice, InvoiceLine, LineKind
from billing.selectors.verification.history import corrections_of, sum_of
from metering.selectors.span_usage import SpanUsage, UsageSpan, raw_usage_of_spans


@dataclass(frozen=True, slots=True)
class _Moment:
    """What had been invoiced of a usage line when an invoice was computed."""

    number: str
    position: int
    computed_at: datetime
    invoiced: Used


def checkpoints_of(invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[InvoiceLine]]) -> list[Checkpoint]:
    """Return each moment at which a usage line, with its corrections up to then, had to be what the ledger said.

    Where line and ledger agree today and nothing was corrected, history need not be asked.
    """
    latest = _latest_by_subscription(invoices)
    roots, spans = _roots_of(invoices, lines)
    corrections = corrections_of({line.pk for _, line in roots})
    questions: list[tuple[UsageSpan, _Moment]] = []
    for (invoice, line), span, now in zip(roots, spans, raw_usage_of_spans(spans), strict=True):
        corrected = corrections[line.pk]
        if not corrected and sum_of([line]) == _used(now):
            continue
        moments = _moments(invoice, line, corrected, latest[invoice.subscription_id])
        questions += [(span, moment) for moment in moments]
    return [
        Checkpoint(moment.number, moment.position, moment.invoiced, bounds)
        for (_, moment), bounds in zip(questions, _bounds(questions), strict=True)
    ]


def spans_asked(invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[InvoiceLine]]) -> list[UsageSpan]:
    """Return every question that `checkpoints_of` may ever ask about the usage lines of these invoices."""
    latest = _latest_by_subscription(invoices)
    roots, spans = _roots_of(invoices, lines)
    corrections = corrections_of({line.pk for _, line in roots})
    asked = list(spans)
    for (invoice, line), span in zip(roots, spans, strict=True):
        for moment in _moments(invoice, line, corrections[line.pk], latest[invoice.subscription_id]):
            asked += _spans_around(span, moment)
    return asked


def _roots_of(
    invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[InvoiceLine]]
) -> tuple[list[tuple[Invoice, InvoiceLine]], list[UsageSpan]]:
    """Return the usage lines with their invoices, and the span of each."""
    roots = [(invoice, line) for invoice in invoices for line in lines[invoice.pk] if line.kind == LineKind.USAGE]
    return roots, [
        UsageSpan(invoice.tenant_id, line.meter_id or 0, line.period_start, line.period_end) for invoice, line in roots
    ]


def _latest_by_subscription(invoices: Sequence[Invoice]) -> dict[UUID, datetime]:
    """Return when the latest finalized invoice of each subscription was computed.

    Up to then corrections are to be expected.
    """
    rows = (
        Invoice.objects.issued()
        .filter(subscription__in={invoice.subscription_id for invoice in invoices})
        .values_list("subscription_id")
        .annotate(latest=Max("computed_at"))
    )
    return dict(rows)


def _moments(
    invoice: Invoice, line: InvoiceLine, corrections: Sequence[InvoiceLine], latest: datetime
) -> Iterator[_Moment]:
    number, counted = invoice.number or "", [line]
    yield _Moment(number, line.position, invoice.computed_at, sum_of(counted))
    last = invoice.computed_at
    for correction in corrections:
        counted.append(correction)
        last = correction.invoice.computed_at
        yield _Moment(correction.invoice.number or "", correction.position, last, sum_of(counted))
    if latest > last:
        yield _Moment(number, line.position, latest, sum_of(counted))


def _bounds(questions: Sequence[tuple[UsageSpan, _Moment]]) -> list[Bounds]:
    """Return what the computation at each moment can have seen of the span."""
    usage = iter(raw_usage_of_spans([asked for span, moment in questions for asked in _spans_around(span, moment)]))
    return [Bounds(_used(least), _used(most)) for least, most in zip(usage, usage, strict=True)]


def _spans_around(span: UsageSpan, moment: _Moment) -> list[UsageSpan]:
    """Return the least and the most of the span that the computation at a moment can have seen."""
    early, late = moment.computed_at - ARRIVAL_MARGIN, moment.computed_at + RUN_MARGIN
    return [
        replace(span, known_at=early, voids_known_at=late),
        replace(span, known_at=late, voids_known_at=early),
    ]


def _used(usage: SpanUsage) -> Used:
    return Used.of(usage.quantity, usage.events)
