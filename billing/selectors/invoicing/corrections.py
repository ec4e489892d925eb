"""Usage lines that may have to be corrected: those which late events can still reach, or voids have reached."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Q

from billing.domain.invoicing.lines import InvoicedUsage, Used, unpaid_after_credits
from billing.domain.invoicing.state import BillingState
from billing.domain.statuses import InvoiceStatus
from billing.models import (
    InvoiceLine,
    LineKind,
)
from billing.selectors.catalog.plans import sold_versions
from billing.selectors.invoicing.credits_in_part import credits_in_part
from billing.selectors.invoicing.in_force import IS_GIVEN_UP, IS_GONE, tax_borne, taxes_again, touched_subscriptions
from metering.domain.periods import Span
from metering.selectors.span_usage import SpanUsage, UsageSpan, spans_with_voids_since

LATENESS_MARGIN: Final = timedelta(days=2)
PERIOD_LASTS_AT_MOST: Final = timedelta(days=32)
_LONG_AGO: Final = timedelta(days=36500)
_ANY_METER: Final = 0


@dataclass(frozen=True, slots=True)
class Root:
    """A usage line of a finalized invoice, with its corrections, and how much of their amounts is no longer owed.

    `unpaid_ids` are the lines on invoices that staff marked uncollectible.
    """

    line: InvoiceLine
    invoiced: Used
    amount_minor: int
    forgiven_minor: int
    unpaid_minor: int
    is_stretch: bool
    is_touched: bool = False
    unpaid_ids: frozenset[int] = frozenset()

    @classmethod
    def of(cls, line: Any, *, is_touched: bool) -> "Root":
        used = Used(line.quantity, line.events or 0)
        return cls(line, used, line.amount_minor, *_not_paid(line), line.is_stretch, is_touched, _unpaid_ids(line))

    def plus(self, line: Any) -> "Root":
        if is_undone(line, is_gone=line.is_gone):
            return self
        forgiven_minor, unpaid_minor = _not_paid(line)
        return replace(
            self,
            invoiced=self.invoiced.plus(line.quantity, line.events or 0),
            amount_minor=self.amount_minor + line.amount_minor,
            forgiven_minor=self.forgiven_minor + forgiven_minor,
            unpaid_minor=self.unpaid_minor + unpaid_minor,
            unpaid_ids=self.unpaid_ids | _unpaid_ids(line),
        )


def is_undone(line: Any, *, is_gone: bool) -> bool:
    """Return whether a line counts as never having happened: it gave something back on a document not in force."""
    return is_gone and line.amount_minor < 0


def _not_paid(line: Any) -> tuple[int, int]:
    """Return how much of a line is no longer owed, and how much of it staff marked uncollectible."""
    return line.amount_minor if line.is_gone else 0, max(line.amount_minor, 0) if line.is_given_up else 0


def _unpaid_ids(line: Any) -> frozenset[int]:
    return frozenset({line.pk}) if line.is_given_up else frozenset()


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
    touched = touched_subscriptions(keys)
    looked_at_whole = touched | {keys[position] for position in spans_with_voids_since(asked)}
    oldest = min(cutoffs.values())
    # Stretches of one period are looked at together: if late events reach one, the others' positions may move.
    is_stretch = Q(explanation__has_key="position")
    has_stretch = is_stretch | Q(explanation__now__has_key="position")
    lines = InvoiceLine.objects.filter(
        Q(period_end__gt=oldest)
        | Q(invoice__subscription__in=looked_at_whole)
        | Q(has_stretch, period_end__gt=oldest - PERIOD_LASTS_AT_MOST),
        invoice__subscription__in=closing,
        invoice__boundary__isnull=False,
        invoice__status__in=set(InvoiceStatus) - {InvoiceStatus.DRAFT},
        revision=F("invoice__revision"),
        kind__in=(LineKind.USAGE, LineKind.ADJUSTMENT),
    )
    lines = lines.annotate(is_gone=IS_GONE, is_given_up=IS_GIVEN_UP, is_stretch=is_stretch)
    found = list(lines.select_related("invoice").defer("explanation").order_by("pk"))
    reached = {
        _period_of(line)
        for line in found
        if line.is_stretch and line.period_end > cutoffs[line.invoice.subscription_id]
    }
    roots: dict[int, tuple[int, Root]] = {}
    for line in found:
        number, state = closing[line.invoice.subscription_id]
        if line.invoice.boundary_closed >= state.boundary:
            continue
        if line.adjusts_id is not None:
            if line.adjusts_id in roots:
                roots[line.adjusts_id] = (number, roots[line.adjusts_id][1].plus(line))
        elif (
            line.period_end > cutoffs[state.subscription_id]
            or state.subscription_id in looked_at_whole
            or (line.is_stretch and _period_of(line) in reached)
        ):
            roots[line.pk] = (number, Root.of(line, is_touched=state.subscription_id in touched))
    return list(roots.values())


def _period_of(line: InvoiceLine) -> tuple[UUID, int | None]:
    """Return which stretches are rated together: those of a meter on one invoice."""
    return line.invoice_id, line.meter_id


def invoiced_usage(roots: Sequence[tuple[int, Root]], usage: Sequence[SpanUsage]) -> dict[int, list[InvoicedUsage]]:
    """Return by state what was invoiced of each line, and what the ledger says of its span now."""
    # An invoice can have been issued again only if some document is not in force.
    credits_given = credits_in_part({root.line.invoice.subscription_id for _, root in roots if root.is_touched})
    again = taxes_again(root.line for _, root in roots if root.is_touched)
    versions = sold_versions({root.line.plan_version_id for _, root in roots if root.line.plan_version_id is not None})
    prices = {price.id: price for version in versions.values() for price in version.prices}
    invoiced: dict[int, list[InvoicedUsage]] = defaultdict(list)
    for (number, root), found in zip(roots, usage, strict=True):
        line = root.line
        given = tuple(credits_given.get(line.pk, ()))
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
                unpaid_minor=unpaid_after_credits(root.unpaid_minor, root.unpaid_ids, given),
                is_touched=root.is_touched,
                credits=given,
                now=Used.of(found.quantity, found.events),
                tax=tax_borne(line, again),
                is_stretch=root.is_stretch,
            )
        )
    return invoiced
