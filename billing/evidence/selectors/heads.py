"""The head of a bundle: the invoice as it was issued, and the versions of plans and meters behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.domain.plain import plain_instant, to_plain
from billing.domain.plan_terms import SoldVersion
from billing.domain.prices import MODEL_OF, write_terms
from billing.evidence.domain.bundle import EventsShown
from billing.models import Invoice, InvoiceDocument, InvoiceLine
from billing.selectors.catalog.plans import sold_versions
from billing.selectors.invoicing.invoices import lines_of_invoice
from metering.domain.conditions import as_stored
from metering.domain.meter_rules import FIRST, LAST, MeterRule
from metering.domain.periods import Span
from metering.models import Meter
from metering.proofs.selectors.counted import CountedSpan
from metering.selectors.catalog import versions_of


@dataclass(frozen=True, slots=True)
class LineEvents:
    """What a bundle has of a line's events: until when they were received, number, and digest of their leaves."""

    known_at: datetime
    leaves: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class InvoiceBasis:
    """What an invoice was computed from, without its events. `rules` are all versions of the meters of its lines."""

    invoice: Invoice
    document: InvoiceDocument
    lines: Sequence[InvoiceLine]
    versions: Sequence[SoldVersion]
    rules: Sequence[MeterRule]

    @property
    def computed_at(self) -> datetime:
        """Return when it was computed. What takes the place of an invoice has its lines, computed when that was."""
        return (self.invoice.original or self.invoice).computed_at

    @property
    def spans(self) -> list[CountedSpan]:
        """Return what each line of usage, and each correction of one, counts."""
        return [
            CountedSpan(line.position, line.meter_id, Span(line.period_start, line.period_end), self.computed_at)
            for line in self.lines
            if line.meter_id is not None
        ]


def basis_of(invoice: Invoice) -> InvoiceBasis:
    """Return what an issued invoice was computed from."""
    lines = list(lines_of_invoice(invoice))
    versions = sold_versions(line.plan_version_id for line in lines if line.plan_version_id is not None)
    return InvoiceBasis(
        invoice=invoice,
        document=InvoiceDocument.objects.get(pk=invoice.pk),
        lines=lines,
        versions=[versions[pk] for pk in sorted(versions)],
        rules=versions_of({line.meter_id for line in lines if line.meter_id is not None}),
    )


def head_of(basis: InvoiceBasis, events: Mapping[int, LineEvents], shown: EventsShown) -> dict[str, Any]:
    """Return the head; `events` are by the positions of lines."""
    meter_ids = sorted({rule.id for rule in basis.rules})
    meters = Meter.objects.in_bulk(meter_ids)
    plans = [version.id for version in basis.versions]
    return {
        "invoice": basis.invoice.number,
        "tenant": str(basis.invoice.tenant_id),
        "events": shown.value,
        "known": plain_instant(basis.computed_at),
        "document": basis.document.content,
        "document_digest": basis.document.content_digest,
        "plan_versions": [_plan_version(version) for version in basis.versions],
        "meters": [_meter(meters[pk], [rule for rule in basis.rules if rule.id == pk]) for pk in meter_ids],
        "lines": [
            {
                "position": line.position,
                "plan_version": None if line.plan_version_id is None else plans.index(line.plan_version_id),
                "meter": None if line.meter_id is None else meter_ids.index(line.meter_id),
                "counted": line.events,
                **_line_events(events.get(line.position)),
            }
            for line in basis.lines
        ],
    }


def _line_events(known: LineEvents | None) -> dict[str, object]:
    if known is None:
        return {"known": None, "leaves": 0, "digest": None}
    return {"known": plain_instant(known.known_at), "leaves": known.leaves, "digest": known.digest}


def _plan_version(version: SoldVersion) -> dict[str, object]:
    """Return a plan version: `terms` are what its digest was taken of when it was published."""
    return {
        "name": version.plan_name,
        "digest": version.digest,
        "terms": {
            "plan": version.plan_code,
            "number": version.number,
            "trial_days": version.trial_days,
            "usage_plan": version.usage_plan_code,
            "prices": sorted(
                [price.currency, price.meter_code or "", MODEL_OF[type(price.terms)].value, write_terms(price.terms)]
                for price in version.prices
            ),
        },
    }


def _meter(meter: Meter, rules: Sequence[MeterRule]) -> dict[str, object]:
    return {
        "code": meter.code,
        "unit": meter.unit,
        "counts_from": plain_instant(meter.counts_from),
        "versions": [
            {
                "version": rule.version,
                "begins": None if rule.begins_at == FIRST else plain_instant(rule.begins_at),
                "ends": None if rule.ends_at == LAST else plain_instant(rule.ends_at),
                "event_type": rule.event_type,
                "aggregation": rule.aggregation.code,
                "value_property": rule.value_property,
                "formula": "" if rule.formula is None else rule.formula.text,
                "dimensions": list(rule.dimensions),
                "filters": to_plain(as_stored(rule.filters)),
            }
            for rule in rules
        ],
    }
