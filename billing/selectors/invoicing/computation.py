"""Computing the invoices of many subscriptions at once, in a fixed number of queries.

Nothing is written here, so drafting, finalizing, a dry run and a preview are the same computation.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from django.db.models import F

from accounts.domain.numbers import counted
from accounts.domain.plain import plain_decimal
from billing.domain.invoicing.computing import ComputedInvoice, compute_invoice
from billing.domain.invoicing.lines import InvoicedUsage, Used
from billing.domain.invoicing.state import BillingState, InvoicedFee
from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxTable
from billing.errors import UnbillableError
from billing.models import (
    InvoiceLine,
    LineKind,
)
from billing.selectors.invoicing.corrections import invoiced_usage, roots_of
from billing.selectors.invoicing.credit import credit_of, set_off_of
from billing.selectors.invoicing.in_force import IS_GIVEN_UP, IS_GONE, IS_TAKEN_BACK, tax_borne, taxes_again
from billing.selectors.invoicing.items import with_items
from billing.selectors.invoicing.reopened import with_reopened
from billing.selectors.taxes import tax_tables
from metering.selectors.span_usage import ComparedUsage, UsageSpan, compared_usage_of_spans, usage_of_spans

DRIFTS_TOLD_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Unbillable:
    """An invoice that could not be computed, and why."""

    state: BillingState
    code: str
    detail: str
    total_minor: int | None = None


Computation = ComputedInvoice | Unbillable


@dataclass(frozen=True, slots=True)
class Given:
    """All that an invoice is computed from: `spans` and `usage` are one for each of `state.usage_wanted()`."""

    state: BillingState
    spans: tuple[UsageSpan, ...]
    usage: tuple[Used, ...]
    invoiced: Sequence[InvoicedUsage]
    credit_minor: int
    taxes: TaxTable

    def compute(self) -> Computation:
        """Compute the invoice, or return why staff must look at it."""
        try:
            return compute_invoice(
                self.state,
                usage=self.usage,
                invoiced=self.invoiced,
                credit_minor=self.credit_minor,
                taxes=self.taxes,
            )
        except UnbillableError as error:
            return Unbillable(self.state, error.reason, error.detail)


def compute_invoices(
    states: Sequence[BillingState],
    *,
    following: Sequence[ComputedInvoice] | None = None,
    is_final: Callable[[BillingState], bool] | None = None,
    taxes: Mapping[UUID, TaxTable] | None = None,
) -> list[Computation]:
    """Compute each state's invoice, in their order, from usage as it is now.

    With `following`, each state comes after an invoice that was computed and not stored: what that one corrects and
    carries over counts. What `is_final` is proven first: usage is added up from the events in the same snapshot, and
    prices are compared with their digests. `taxes` maps tenants to what would hold for them, if that is not what is
    stored.
    """
    found, unproven = _read(states, following=following, is_final=is_final, taxes=taxes)
    return [unproven.get(number) or given.compute() for number, given in enumerate(found)]


def given_for(state: BillingState) -> Given:
    """Return what the state's invoice is computed from, for computing it with other usage."""
    [given], _ = _read([state], following=None, is_final=None, taxes=None)
    return given


def _read(
    states: Sequence[BillingState],
    *,
    following: Sequence[ComputedInvoice] | None,
    is_final: Callable[[BillingState], bool] | None,
    taxes: Mapping[UUID, TaxTable] | None,
) -> tuple[list[Given], dict[int, Unbillable]]:
    """Read what each state's invoice is computed from, and by position which are unproven."""
    states = _with_fees(states)
    states = with_items(with_reopened(states)) if following is None else states
    wanted = [
        (number, UsageSpan(state.tenant_id, price.meter_id or 0, *span))
        for number, state in enumerate(states)
        for _, price, span in state.usage_wanted()
    ]
    roots = roots_of(states) if following is None else []
    root_spans = [
        UsageSpan(states[number].tenant_id, root.line.meter_id or 0, root.line.period_start, root.line.period_end)
        for number, root in roots
    ]
    spans = [*(span for _, span in wanted), *root_spans]
    unproven: dict[int, Unbillable] = {}
    if is_final is None:
        usage = usage_of_spans(spans)
    else:
        compared = compared_usage_of_spans(spans)
        usage = [found.in_rollup for found in compared]
        numbers = [number for number, _ in (*wanted, *roots)]
        unproven = _unproven(states, list(zip(numbers, spans, compared, strict=True)), is_final)
    used: dict[int, list[tuple[UsageSpan, Used]]] = defaultdict(list)
    for (number, span), found in zip(wanted, usage, strict=False):
        used[number].append((span, Used.of(found.quantity, found.events)))
    invoiced = invoiced_usage(roots, usage[len(wanted) :])
    tables = tax_tables({state.tenant_id for state in states}) if taxes is None else taxes
    credits_left = _credits_left(states, following)
    given = [
        Given(
            state,
            tuple(span for span, _ in used[number]),
            tuple(one for _, one in used[number]),
            invoiced[number],
            credits_left.get(state.subscription_id, 0),
            tables[state.tenant_id],
        )
        for number, state in enumerate(states)
    ]
    return given, unproven


def _unproven(
    states: Sequence[BillingState],
    compared: Sequence[tuple[int, UsageSpan, ComparedUsage]],
    is_final: Callable[[BillingState], bool],
) -> dict[int, Unbillable]:
    """Return by position the states that are final and whose usage or prices are not what they must be."""
    drifts: dict[int, list[str]] = defaultdict(list)
    codes = {price.meter_id: price.meter_code for state in states for _, price, _ in state.usage_wanted()}
    for number, span, found in compared:
        if not found.is_proven:
            place = (
                f"{codes.get(span.meter_id, 'A meter')} from {span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M}"
            )
            rollup, ledger = plain_decimal(found.in_rollup.quantity), plain_decimal(found.in_ledger.quantity)
            drifts[number].append(
                f"{place} comes to {rollup} in {counted(found.in_rollup.events, 'events')} by the rollup,"
                f" to {ledger} in {found.in_ledger.events} by {found.evidence}."
            )
    versions = {phase.version.id: phase.version for state in states for phase in state.phases}
    changed = {version.id for version in versions.values() if not version.is_as_published}
    unproven = {}
    for number, state in enumerate(states):
        if not is_final(state):
            continue
        names = sorted(f"{p.version.plan_code} v{p.version.number}" for p in state.phases if p.version.id in changed)
        if names:
            detail = f"The prices of {', '.join(names)} are not those that were published."
            unproven[number] = Unbillable(state, "price_changed", detail)
        elif drifts[number]:
            unproven[number] = Unbillable(state, "usage_drift", " ".join(drifts[number][:DRIFTS_TOLD_MAX]))
    return unproven


def _with_fees(states: Sequence[BillingState]) -> Sequence[BillingState]:
    """Return the states; of those that may give back a fee, with the line of the fee that their period began with."""
    changed = {state.subscription_id for state in states if state.has_proration}
    if not changed:
        return states
    lines = InvoiceLine.objects.filter(
        invoice__subscription__in=changed,
        invoice__boundary__isnull=False,
        kind=LineKind.RECURRING,
        revision=F("invoice__revision"),
    ).exclude(invoice__status=InvoiceStatus.DRAFT)
    lines = lines.annotate(is_gone=IS_GONE, is_given_up=IS_GIVEN_UP, is_taken_back=IS_TAKEN_BACK)
    found = list(lines.select_related("invoice").defer("explanation"))
    again = taxes_again(line for line in found if line.is_taken_back)
    fees: dict[tuple[UUID | None, int], InvoicedFee] = {
        (line.invoice.subscription_id, line.invoice.boundary_closed): InvoicedFee(
            line.pk, tax_borne(line, again), is_forgiven=line.is_gone, is_unpaid=line.is_given_up
        )
        for line in found
    }
    return [replace(state, fee=fees.get((state.subscription_id, state.boundary - 1))) for state in states]


def _credits_left(
    states: Sequence[BillingState], following: Sequence[ComputedInvoice] | None
) -> dict[UUID | None, int]:
    """Return the credit of each subscription, tax included.

    Carry lines add what an invoice left over, and take what the next one used.

    An invoice that is void, or was credited, has used nothing: its credit is there again. One that was issued again
    uses credit automatically. What was set off against other invoices is no longer there.
    """
    boundaries = {state.subscription_id: state.boundary for state in states if state.boundary}
    left: dict[UUID | None, int] = defaultdict(int)
    for line in _carried(boundaries):
        subscription_id = line.invoice.subscription_id
        if line.invoice.boundary_closed < boundaries[subscription_id]:
            left[subscription_id] += credit_of(line)
    for subscription_id, amount_minor in set_off_of(left):
        left[subscription_id] -= amount_minor
    for before in following or ():
        left[before.state.subscription_id] += before.carried_minor
    return left


def _carried(subscription_ids: Collection[UUID | None]) -> Iterable[InvoiceLine]:
    """Return the carry lines in force of subscriptions; none has any at its first boundary."""
    if not subscription_ids:
        return ()
    lines = InvoiceLine.objects.filter(
        ~IS_TAKEN_BACK, invoice__subscription__in=subscription_ids, revision=F("invoice__revision"), kind=LineKind.CARRY
    ).exclude(invoice__status=InvoiceStatus.DRAFT)
    return lines.select_related("invoice__original").defer("explanation")
