"""What the page of usage shows, read once: quantities by window and group, what they cost, and the period before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from typing import Final

from accounts.domain.roles import Capability
from accounts.selectors.directory import SERVICE_KEY, key_labels
from billing.domain.invoicing.lines import Used
from billing.domain.money import EXACT, to_major
from billing.domain.usage_cost import PricedSpan, amounts_of_parts
from billing.errors import UnbillableError
from billing.selectors.usage_cost import currency_of_usage, priced_spans
from metering.domain.ledger import Ledger
from metering.domain.periods import Span, calendar_days, local_day, start_of_day
from metering.domain.windows import window_starts
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.selectors.usage_query import API_KEY, UsageQuestion, UsageRow, query_usage
from portal.access import Portal
from portal.forms.usage import UsageRequest
from portal.usage_table import UsageTotals

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Costs:
    """What usage costs: an amount for each row, and the priced stretches that the amounts come from.

    `problem` says why staff must look at the usage before it can be priced.
    """

    currency: str
    amounts_minor: tuple[int, ...] = ()
    priced: tuple[PricedSpan, ...] = ()
    problem: str = ""

    @property
    def total_minor(self) -> int:
        """Return the cost of all rows."""
        return sum(self.amounts_minor)


@dataclass(frozen=True, slots=True)
class ReadUsage:
    """The rows of a request, their costs if the member may see them, and those of the period before.

    `was_changed`: events of the line's period came or were voided after its invoice, so the rows are as of then.
    """

    rows: list[UsageRow]
    totals: UsageTotals | None
    costs: Costs | None
    before: tuple[Decimal, ...] = ()
    before_span: Span | None = None
    before_total: Decimal | None = None
    before_by_group: Mapping[tuple[str | None, ...], Decimal] | None = None
    was_changed: bool = False


def read_usage(portal: Portal, wanted: UsageRequest) -> ReadUsage:
    """Read all that the page shows of a request. Raises `EventsDeletedError`, `QueryTooLargeError`."""
    ledger, question = portal.ledger(is_live=wanted.is_live), question_of(wanted, portal.as_of)
    if wanted.line is not None and not _is_as_invoiced(ledger, question, wanted):
        question = replace(question, known_at=wanted.line.computed_at)
    priced, currency, problem = _priced(portal, wanted)
    pieces = _pieces(wanted, priced, ledger.time_zone)
    parts = [
        (row, max(row.window_start, piece.start))
        for piece in pieces
        for row in query_usage(ledger=ledger, question=replace(question, span=piece))
    ]
    rows = [row for row, _ in parts]
    is_divisible = wanted.meter.aggregation.is_divisible
    totals = None if is_divisible else _totals(ledger, question, rows)
    costs = None
    if currency is not None:
        costs = Costs(currency, _amounts(parts, priced) if is_divisible else (), tuple(priced), problem)
    read = ReadUsage(rows, totals, costs, was_changed=question.known_at is not None)
    return read if wanted.before is None else _with_before(read, ledger, wanted, portal.as_of)


def question_of(wanted: UsageRequest, as_of: datetime) -> UsageQuestion:
    """Return the query of a request."""
    return UsageQuestion(
        meter=wanted.meter, span=wanted.span, window=wanted.window, group_by=wanted.group_by, until=as_of
    )


def names_of_keys(portal: Portal, rows: Sequence[UsageRow]) -> dict[str, str]:
    """Return a name for each key, by its id. Keys of the operator are numbered if there are several."""
    names = {str(key_id): str(label) for key_id, label in key_labels(tenant_id=portal.tenant.pk).items()}
    used = {row.group[API_KEY] for row in rows}
    others = sorted(key_id for key_id in used if key_id is not None and key_id not in names)
    if len(others) == 1:
        return names | {others[0]: str(SERVICE_KEY)}
    return names | {key_id: f"{SERVICE_KEY} {number}" for number, key_id in enumerate(others, 1)}


def rows_of_cost(read: ReadUsage) -> list[UsageRow]:
    """Return the rows with their cost, in the major unit, in place of their quantity."""
    assert read.costs is not None, "the member sees costs"
    currency = read.costs.currency
    amounts = read.costs.amounts_minor
    return [replace(row, quantity=to_major(minor, currency)) for row, minor in zip(read.rows, amounts, strict=True)]


def sum_of(quantities: Sequence[Decimal]) -> Decimal:
    """Return the exact sum of quantities."""
    return reduce(EXACT.add, quantities, _ZERO)


def _is_as_invoiced(ledger: Ledger, question: UsageQuestion, wanted: UsageRequest) -> bool:
    """Return whether the usage of an invoiced line is still what was invoiced, which rollups tell at once."""
    line = wanted.line
    assert line is not None, "the request of a line"
    found = query_usage(ledger=ledger, question=replace(question, window=None, group_by=()))
    now = Used.of(found[0].quantity, found[0].events) if found else Used.nothing()
    return now == Used(line.quantity, line.events)


def _priced(portal: Portal, wanted: UsageRequest) -> tuple[list[PricedSpan], str | None, str]:
    """Return what the usage is priced by, the currency (None: not shown to this member), and a problem."""
    if not portal.may[Capability.MANAGE_BILLING] or not wanted.is_live:
        return [], None, ""
    line = wanted.line
    if line is not None:
        return [PricedSpan(line.span, line.quantity, line.amount_minor)], line.currency, ""
    own = portal.standing.subscription
    currency = currency_of_usage(portal.tenant.pk) if own is None else own.currency
    if currency is None:
        return [], None, ""
    try:
        found = priced_spans(tenant_id=portal.tenant.pk, meter_id=wanted.meter.id, span=wanted.span, as_of=portal.as_of)
    except UnbillableError as error:
        return [], currency, error.detail
    return found, currency, ""


def _pieces(wanted: UsageRequest, priced: Sequence[PricedSpan], zone: str) -> list[Span]:
    """Return the span, cut at each instant at which a price begins or ends within one of its windows."""
    span = wanted.span
    if not wanted.meter.aggregation.is_divisible:
        return [span]
    borders = {border for one in priced for border in one.span if span.start < border < span.end}
    cuts = sorted(borders - set(window_starts(wanted.window, span, zone)))
    return [Span(start, end) for start, end in pairwise([span.start, *cuts, span.end])]


def _amounts(parts: Sequence[tuple[UsageRow, datetime]], priced: Sequence[PricedSpan]) -> tuple[int, ...]:
    """Return the amount of each part; 0 for what no plan charged."""
    amounts = [0] * len(parts)
    for one in priced:
        places = [place for place, (_, at) in enumerate(parts) if one.span.contains(at)]
        found = amounts_of_parts(one, [parts[place][0].quantity for place in places])
        for place, amount in zip(places, found, strict=True):
            amounts[place] = amount
    return tuple(amounts)


def _totals(ledger: Ledger, question: UsageQuestion, rows: list[UsageRow]) -> UsageTotals:
    """Return the totals of a meter whose quantities do not add up."""
    if not question.group_by:
        whole = query_usage(ledger=ledger, question=replace(question, window=None))
        return UsageTotals(rows, whole, whole)
    return UsageTotals(
        by_window=query_usage(ledger=ledger, question=replace(question, group_by=())),
        by_group=query_usage(ledger=ledger, question=replace(question, window=None)),
        whole=query_usage(ledger=ledger, question=replace(question, window=None, group_by=())),
    )


def _with_before(read: ReadUsage, ledger: Ledger, wanted: UsageRequest, as_of: datetime) -> ReadUsage:
    """Add the period before, up to the same day of it if the period is not over.

    It is left out if its events are deleted, or too many to be read in time.
    """
    before = _same_part(ledger, wanted, as_of)
    ungrouped = replace(question_of(wanted, as_of), span=before, group_by=())
    by_group = None
    try:
        by_window = query_usage(ledger=ledger, question=ungrouped)
        whole = by_window
        if not wanted.meter.aggregation.is_divisible:
            whole = query_usage(ledger=ledger, question=replace(ungrouped, window=None))
        if wanted.group_by:
            grouped = replace(ungrouped, window=None, group_by=wanted.group_by)
            by_group = {tuple(row.group.values()): row.quantity for row in query_usage(ledger=ledger, question=grouped)}
    except (EventsDeletedError, QueryTooLargeError):
        return read
    quantities = {row.window_start: row.quantity for row in by_window}
    starts = window_starts(wanted.window, before, ledger.time_zone)
    return replace(
        read,
        before=tuple(quantities.get(start, _ZERO) for start in starts),
        before_span=before,
        before_total=sum_of([row.quantity for row in whole]),
        before_by_group=by_group,
    )


def _same_part(ledger: Ledger, wanted: UsageRequest, as_of: datetime) -> Span:
    before, span, zone = wanted.before, wanted.span, ledger.time_zone
    assert before is not None, "the request is compared"
    if not span.contains(as_of):
        return before
    passed = len(calendar_days(local_day(span.start, zone), local_day(as_of, zone))) + 1
    first = local_day(before.start, zone)
    end = start_of_day(first + timedelta(days=passed), zone)
    return Span(before.start, min(end, before.end))
