"""What is open again of fees that were given back, since a document that gave or charged it is not in force."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from django.db.models import F

from billing.domain.invoicing.state import BillingState, InvoicedFee, Reopened, open_again
from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxDecision
from billing.models import InvoiceLine, LineKind
from billing.selectors.invoicing.in_force import (
    IS_GIVEN_UP,
    IS_GONE,
    TaxesAgain,
    tax_borne,
    taxes_again,
    touched_subscriptions,
)
from metering.domain.periods import Span, local_day

REOPENED: Final = "reopened"


def with_reopened(states: Sequence[BillingState]) -> list[BillingState]:
    """Return the states, each with what is open again."""
    touched = touched_subscriptions({state.subscription_id for state in states if state.boundary > 1})
    if not touched:
        return list(states)
    lines: dict[UUID | None, list[Any]] = defaultdict(list)
    found = fees_and_shares(touched)
    again = taxes_again(found)
    for line in found:
        lines[line.invoice.subscription_id].append(line)
    return [replace(state, reopened=tuple(_reopened(state, lines[state.subscription_id], again))) for state in states]


def _reopened(state: BillingState, lines: Sequence[Any], again: TaxesAgain) -> Iterator[Reopened]:
    earlier = [line for line in lines if line.invoice.boundary_closed < state.boundary]
    gone = {line.invoice_id for line in earlier if line.is_gone}
    unpaid = {line.invoice_id for line in earlier if line.is_given_up and not line.is_gone}
    taxes = {line.pk: tax_borne(line, again) for line in earlier}
    return open_of(earlier, state.time_zone, gone=gone, unpaid=unpaid, taxes=taxes)


def shares_given(lines: Iterable[InvoiceLine]) -> Iterator[tuple[InvoiceLine, int, InvoiceLine]]:
    """Yield each line that gave back a share of a fee, how much it should have given, and the line with the fee.

    `lines` are fees and shares of one subscription by boundary and position. Lines from before lines bore their tax do
    not name what they correct: the first of an invoice gave back of the fee of the boundary before.
    """
    known = list(lines)
    by_id = {line.pk: line for line in known}
    fees = {line.invoice.boundary_closed: line for line in known if line.kind == LineKind.RECURRING}
    seen: set[UUID] = set()
    for line in known:
        given_minor = line.amount_minor - line.explanation.get("withheld_minor", 0)
        if line.kind != LineKind.PRORATION or given_minor >= 0 or line.explanation["model"] == REOPENED:
            continue
        is_first = line.invoice_id not in seen
        seen.add(line.invoice_id)
        fee = by_id.get(line.adjusts_id or 0)
        if line.supplied_on is None and is_first:
            fee = fees.get(line.invoice.boundary_closed - 1)
        if fee is not None:
            yield line, given_minor, fee


def fees_and_shares(subscription_ids: Collection[UUID | None]) -> list[Any]:
    """Return the fees and shares of fees of subscriptions, by boundary and position."""
    if not subscription_ids:
        return []
    lines = InvoiceLine.objects.filter(
        invoice__subscription__in=subscription_ids,
        invoice__boundary__isnull=False,
        kind__in=(LineKind.RECURRING, LineKind.PRORATION),
        revision=F("invoice__revision"),
    ).exclude(invoice__status=InvoiceStatus.DRAFT)
    lines = lines.annotate(is_gone=IS_GONE, is_given_up=IS_GIVEN_UP).select_related("invoice")
    return list(lines.order_by("invoice__boundary", "position"))


def open_of(
    lines: Sequence[Any],
    time_zone: str,
    *,
    gone: set[UUID],
    unpaid: set[UUID],
    taxes: Mapping[int, TaxDecision | None],
) -> Iterator[Reopened]:
    """Yield what is open again of the fees and shares of a subscription.

    `gone` are the invoices that are not in force, `unpaid` those on which staff gave up; `taxes` is what lines bear.
    """
    again = _returned_by_line(lines, gone)
    for line, given_minor, fee in shares_given(lines):
        stands_minor = again.get(line.pk, 0) + (0 if line.invoice_id in gone else line.amount_minor)
        is_forgiven, is_unpaid = fee.invoice_id in gone, fee.invoice_id in unpaid
        known = InvoicedFee(fee.pk, taxes[fee.pk], is_forgiven=is_forgiven, is_unpaid=is_unpaid)
        open_minor = open_again(given_minor, stands_minor=stands_minor, fee=known)
        if open_minor:
            yield _reopened_line(line, open_minor, time_zone, taxes[line.pk])


def _returned_by_line(lines: Iterable[InvoiceLine], gone: set[UUID]) -> Mapping[int, int]:
    """Return by line what other documents in force brought back of it."""
    again: dict[int, int] = defaultdict(int)
    for line in lines:
        if line.explanation["model"] == REOPENED and line.adjusts_id is not None and line.invoice_id not in gone:
            again[line.adjusts_id] += line.amount_minor
    return again


def _reopened_line(line: InvoiceLine, open_minor: int, time_zone: str, tax: TaxDecision | None) -> Reopened:
    """Return a line that is open again as a value."""
    return Reopened(
        line_id=line.pk,
        number=line.invoice.number or "",
        description=line.description,
        period=Span(line.period_start, line.period_end),
        amount_minor=open_minor,
        tax=tax,
        supplied_on=line.supplied_on or local_day(line.period_start, time_zone),
        plan_version_id=line.plan_version_id,
        price_id=line.price_id,
    )
