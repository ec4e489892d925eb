"""Usage lines beside the raw ledger: what had been invoiced of each at some moment, and what the ledger held then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db.models import Max

from accounts.domain.plain import plain_decimal
from billing.domain.invoicing.lines import Used
from billing.models import Invoice, InvoiceLine, LineKind
from billing.verification.domain.batch import ARRIVAL_MARGIN, RUN_MARGIN, Checkpoint, StoredLine, UsageBounds
from billing.verification.selectors.history import corrections_of
from billing.verification.selectors.standing import Past, counted_at, moments_of, past_of, sum_of
from metering.selectors.catalog import meter_rules
from metering.selectors.span_usage import ReadUsage, SpanUsage, UsageSpan, raw_usage_of_spans


@dataclass(frozen=True, slots=True)
class _Moment:
    """What had been invoiced of a usage line when an invoice was computed."""

    number: str
    position: int
    computed_at: datetime
    invoiced: Used


def checkpoints_of(
    invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[StoredLine]], read: ReadUsage
) -> list[Checkpoint]:
    """Return each moment at which a usage line, with its corrections up to then, had to be what the ledger said.

    If line and ledger agree today and nothing was corrected, history need not be asked.
    """
    latest = _latest_by_subscription(invoices)
    roots, spans = _roots_of(invoices, lines)
    corrections = corrections_of({line.pk for _, line in roots})
    past = past_of({line.invoice_id for corrected in corrections.values() for line in corrected})
    questions: list[tuple[UsageSpan, _Moment]] = []
    for (invoice, line), span, now in zip(roots, spans, read(spans), strict=True):
        corrected = corrections[line.pk]
        if not corrected and sum_of([line]) == _used(now):
            continue
        moments = _moments(invoice, line, corrected, latest[invoice.subscription_id], past)
        questions += [(span, moment) for moment in moments]
    return [
        Checkpoint(moment.number, moment.position, moment.invoiced, bounds)
        for (_, moment), bounds in zip(questions, _bounds(questions), strict=True)
    ]


def spans_asked(invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[StoredLine]]) -> list[UsageSpan]:
    """Return every question that `checkpoints_of` may ever ask about the usage lines of these invoices."""
    latest = _latest_by_subscription(invoices)
    roots, spans = _roots_of(invoices, lines)
    corrections = corrections_of({line.pk for _, line in roots})
    past = past_of({line.invoice_id for corrected in corrections.values() for line in corrected})
    asked = list(spans)
    for (invoice, line), span in zip(roots, spans, strict=True):
        for moment in _moments(invoice, line, corrections[line.pk], latest[invoice.subscription_id], past):
            asked += _spans_around(span, moment)
    return asked


def _roots_of(
    invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[StoredLine]]
) -> tuple[list[tuple[Invoice, StoredLine]], list[UsageSpan]]:
    """Return the usage lines with their invoices, and the span of each."""
    roots = [(invoice, line) for invoice in invoices for line in lines[invoice.pk] if line.kind == LineKind.USAGE]
    return roots, [UsageSpan(invoice.tenant_id, line.meter_id or 0, *line.period) for invoice, line in roots]


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
    invoice: Invoice, line: StoredLine, corrections: Sequence[InvoiceLine], latest: datetime, past: Past
) -> Iterator[_Moment]:
    """Yield the moments of a usage line and its corrections, the line first."""
    number, lines = invoice.number or "", list[InvoiceLine | StoredLine]([line, *corrections])
    yield _Moment(number, line.position, invoice.computed_at, sum_of([line]))
    last = invoice.computed_at
    for place, correction in enumerate(corrections, start=1):
        last = correction.invoice.computed_at
        counted = [*_counted_by(correction, lines[:place], past), correction]
        yield _Moment(correction.invoice.number or "", correction.position, last, sum_of(counted))
    if latest > last:
        yield _Moment(number, line.position, latest, sum_of(counted_at(lines, past, latest)))


def _counted_by(
    correction: InvoiceLine, before: Sequence[InvoiceLine | StoredLine], past: Past
) -> Sequence[InvoiceLine | StoredLine]:
    """Return the lines that a correction took as invoiced: it explains how much they came to."""
    explained = correction.explanation.get("invoiced")
    said = explained.get("quantity") if isinstance(explained, Mapping) else None
    possible = [*(counted_at(before, past, moment) for moment in moments_of(correction.invoice)), before]
    return next((lines for lines in possible if plain_decimal(sum_of(lines).quantity) == said), possible[0])


def _bounds(questions: Sequence[tuple[UsageSpan, _Moment]]) -> list[UsageBounds]:
    """Return what the computation at each moment can have seen of the span."""
    usage = iter(raw_usage_of_spans([asked for span, moment in questions for asked in _spans_around(span, moment)]))
    unordered = {rule.id for rule in meter_rules() if rule.aggregation.lasts}
    return [
        UsageBounds(_used(least), _used(most), is_ordered=span.meter_id not in unordered)
        for (span, _), least, most in zip(questions, usage, usage, strict=True)
    ]


def _spans_around(span: UsageSpan, moment: _Moment) -> list[UsageSpan]:
    """Return the least and the most of the span that the computation at a moment can have seen."""
    early, late = moment.computed_at - ARRIVAL_MARGIN, moment.computed_at + RUN_MARGIN
    return [
        replace(span, known_at=early, voids_known_at=late),
        replace(span, known_at=late, voids_known_at=early),
    ]


def _used(usage: SpanUsage) -> Used:
    return Used.of(usage.quantity, usage.events)
