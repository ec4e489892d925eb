"""Usage lines that may have to be corrected: those which late events can still reach, or voids have reached."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from django.db.models import Exists, F, OuterRef, Q

from billing.domain.invoicing.lines import InvoicedUsage, Used
from billing.domain.invoicing.state import BillingState
from billing.domain.statuses import InvoiceStatus
from billing.models import (
    CreditNote,
    InvoiceLine,
    LineKind,
)
from billing.selectors.catalog.plans import sold_versions
from metering.domain.periods import Span
from metering.selectors.span_usage import SpanUsage, UsageSpan, spans_with_voids_since

LATENESS_MARGIN: Final = timedelta(days=2)
_LONG_AGO: Final = timedelta(days=36500)
_ANY_METER: Final = 0


@dataclass(frozen=True, slots=True)
class Root:
    """A usage line of a finalized invoice, with its corrections, and what of their amounts nobody owes any more."""

    line: InvoiceLine
    invoiced: Used
    amount_minor: int
    forgiven_minor: int

    def plus(self, line: InvoiceLine, forgiven_minor: int) -> "Root":
        return replace(
            self,
            invoiced=self.invoiced.plus(line.quantity, line.events or 0),
            amount_minor=self.amount_minor + line.amount_minor,
            forgiven_minor=self.forgiven_minor + forgiven_minor,
        )


def roots_of(states: Sequence[BillingState]) -> list[tuple[int, Root]]:
    """Return the usage lines of each state that may have to be corrected.

    They are those that late events can still reach, or voids have.
    """
    closing = {state.subscription_id: (number, state) for number, state in enumerate(states) if state.boundary > 1}
    if not closing:
        return []
    # The invoice before was computed when what this one is about began, or later.
    cutoffs = {
        key: state.covered.start - timedelta(days=state.backfill_days) - LATENESS_MARGIN
        for key, (_, state) in closing.items()
    }
    asked = [
        (
            UsageSpan(state.tenant_id, _ANY_METER, cutoffs[key] - _LONG_AGO, cutoffs[key]),
            state.covered.start - LATENESS_MARGIN,
        )
        for key, (_, state) in closing.items()
    ]
    keys = list(closing)
    with_old_voids = {keys[position] for position in spans_with_voids_since(asked)}
    lines = InvoiceLine.objects.filter(
        Q(period_end__gt=min(cutoffs.values())) | Q(invoice__subscription__in=with_old_voids),
        invoice__subscription__in=closing,
        invoice__status__in=set(InvoiceStatus) - {InvoiceStatus.DRAFT},
        revision=F("invoice__revision"),
        kind__in=(LineKind.USAGE, LineKind.ADJUSTMENT),
    )
    credited = Exists(CreditNote.objects.filter(invoice=OuterRef("invoice")))
    lines = lines.annotate(is_forgiven=Q(invoice__status=InvoiceStatus.VOID) | Q(credited))
    roots: dict[int, tuple[int, Root]] = {}
    for line in lines.select_related("invoice").defer("explanation").order_by("pk"):
        number, state = closing[line.invoice.subscription_id]
        if line.invoice.boundary >= state.boundary:
            continue
        forgiven_minor = line.amount_minor if line.is_forgiven else 0
        if line.adjusts_id is not None:
            if line.adjusts_id in roots:
                roots[line.adjusts_id] = (number, roots[line.adjusts_id][1].plus(line, forgiven_minor))
        elif line.period_end > cutoffs[state.subscription_id] or state.subscription_id in with_old_voids:
            used = Used(line.quantity, line.events or 0)
            roots[line.pk] = (number, Root(line, used, line.amount_minor, forgiven_minor))
    return list(roots.values())


def invoiced_usage(roots: Sequence[tuple[int, Root]], usage: Sequence[SpanUsage]) -> dict[int, list[InvoicedUsage]]:
    """Return by state what was invoiced of each line, and what the ledger says of its span now."""
    versions = sold_versions({root.line.plan_version_id for _, root in roots if root.line.plan_version_id is not None})
    prices = {price.id: price for version in versions.values() for price in version.prices}
    invoiced: dict[int, list[InvoicedUsage]] = defaultdict(list)
    for (number, root), found in zip(roots, usage, strict=True):
        line = root.line
        assert line.price_id is not None, "a usage line has its price"
        assert line.plan_version_id is not None, "a usage line has its plan"
        invoiced[number].append(
            InvoicedUsage(
                line_id=line.pk,
                number=line.invoice.number or "",
                plan_version_id=line.plan_version_id,
                price=prices[line.price_id],
                span=Span(line.period_start, line.period_end),
                invoiced=root.invoiced,
                amount_minor=root.amount_minor,
                forgiven_minor=root.forgiven_minor,
                now=Used.of(found.quantity, found.events),
                tax=line.tax,
            )
        )
    return invoiced
