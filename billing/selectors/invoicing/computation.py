"""Computing the invoices of many subscriptions at once, in a fixed number of queries.

Nothing is written here, so drafting, finalizing, a dry run and a preview are the same computation.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, Sum

from accounts.models import Tenant, TenantStatus
from billing.domain.invoicing.computing import ComputedInvoice, compute_invoice
from billing.domain.invoicing.lines import InvoicedUsage, Used
from billing.domain.invoicing.state import BillingState, Phase
from billing.domain.plan_terms import SoldVersion
from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxDecision, TaxFacts, TaxTreatment, decide_tax
from billing.errors import UnbillableError
from billing.models import (
    BillingProfile,
    CreditNote,
    Invoice,
    InvoiceLine,
    Issuer,
    LineKind,
    Subscription,
    SubscriptionPhase,
    TaxRate,
)
from billing.selectors.catalog.plans import sold_versions
from metering.domain.periods import Span, forecast
from metering.selectors.span_usage import SpanUsage, UsageSpan, spans_with_voids_since, usage_of_spans

PROJECTED_AFTER: Final = timedelta(days=1)
LATENESS_MARGIN: Final = timedelta(days=2)
_LONG_AGO: Final = timedelta(days=36500)
_ANY_METER: Final = 0


@dataclass(frozen=True, slots=True)
class Unbillable:
    """An invoice that could not be computed, and why."""

    state: BillingState
    code: str
    detail: str


Computation = ComputedInvoice | Unbillable


@dataclass(frozen=True, slots=True)
class _Root:
    """A usage line of a finalized invoice, with its corrections, and what of their amounts nobody owes any more."""

    line: InvoiceLine
    invoiced: Used
    amount_minor: int
    forgiven_minor: int

    def plus(self, line: InvoiceLine, forgiven_minor: int) -> "_Root":
        return replace(
            self,
            invoiced=self.invoiced.plus(line.quantity, line.events or 0),
            amount_minor=self.amount_minor + line.amount_minor,
            forgiven_minor=self.forgiven_minor + forgiven_minor,
        )


def states_at_due(subscriptions: Sequence[Subscription]) -> list[BillingState]:
    """The state of each subscription at the boundary that is due next, with the change that waits for it."""
    phases = _phases_of([subscription.pk for subscription in subscriptions])
    pending = sold_versions(
        subscription.pending_plan_version_id
        for subscription in subscriptions
        if subscription.pending_plan_version_id is not None
    )
    tenants = Tenant.objects.filter(pk__in={subscription.tenant_id for subscription in subscriptions})
    facts = {pk: (days, status) for pk, days, status in tenants.values_list("pk", "backfill_days", "status")}
    states = []
    for subscription in subscriptions:
        backfill_days, tenant_status = facts[subscription.tenant_id]
        # Who was closed owes what was used, and no fee for a period to come.
        is_last = subscription.is_cancelled_at_period_end or tenant_status == TenantStatus.CLOSED
        assert subscription.due_at is not None, "a subscription that is due"
        known = phases[subscription.pk]
        if subscription.pending_plan_version_id is not None:
            known = (*known, Phase(subscription.due_at, pending[subscription.pending_plan_version_id]))
        states.append(
            BillingState(
                subscription_id=subscription.pk,
                tenant_id=subscription.tenant_id,
                currency=subscription.currency,
                time_zone=subscription.time_zone,
                anchor_at=subscription.anchor_at,
                boundary=subscription.next_boundary,
                closes_at=subscription.due_at,
                is_ending=subscription.ended_at is not None or is_last,
                phases=known,
                backfill_days=backfill_days,
                ended_at=subscription.ended_at,
            )
        )
    return states


def states_of_invoices(invoices: Sequence[Invoice]) -> list[BillingState]:
    """The states that invoices were computed from; `invoices` come with their subscriptions."""
    phases = _phases_of([invoice.subscription_id for invoice in invoices])
    backfill = _backfill_days({invoice.tenant_id for invoice in invoices})
    ends = [_ended_by(invoice) for invoice in invoices]
    return [
        BillingState(
            subscription_id=invoice.subscription_id,
            tenant_id=invoice.tenant_id,
            currency=invoice.currency,
            time_zone=invoice.subscription.time_zone,
            anchor_at=invoice.subscription.anchor_at,
            boundary=invoice.boundary,
            closes_at=invoice.period_end if invoice.boundary else invoice.subscription.anchor_at,
            is_ending=ended_at is not None,
            phases=phases[invoice.subscription_id],
            backfill_days=backfill[invoice.tenant_id],
            ended_at=ended_at,
        )
        for invoice, ended_at in zip(invoices, ends, strict=True)
    ]


def compute_invoices(
    states: Sequence[BillingState],
    *,
    projected_at: datetime | None = None,
    following: Sequence[ComputedInvoice] | None = None,
) -> list[Computation]:
    """Compute each state's invoice, in their order, from usage as it is now.

    With `projected_at`, usage counted up to then is projected in a straight line to the end of its span, once a day of
    it has passed: the first minutes tell nothing of a month. With `following`, each state comes after an invoice that
    was computed and not stored: what that one corrects and carries over counts.
    """
    states = _with_forgiven_fees(states)
    wanted = [
        (number, UsageSpan(state.tenant_id, price.meter_id or 0, *span))
        for number, state in enumerate(states)
        for _, price, span in state.usage_wanted()
    ]
    roots = _roots_of(states) if following is None else []
    root_spans = [
        UsageSpan(states[number].tenant_id, root.line.meter_id or 0, root.line.period_start, root.line.period_end)
        for number, root in roots
    ]
    usage = usage_of_spans([*(span for _, span in wanted), *root_spans])
    used: dict[int, list[Used]] = defaultdict(list)
    for (number, span), found in zip(wanted, usage, strict=False):
        quantity = found.quantity
        if projected_at is not None and projected_at - span.start >= PROJECTED_AFTER:
            quantity = _projected(quantity, Span(span.start, span.end), projected_at)
        used[number].append(Used.of(quantity, found.events))
    invoiced = _invoiced_usage(roots, usage[len(wanted) :])
    taxes = tax_decisions({state.tenant_id for state in states})
    credits_left = _credits_left(states, following)
    return [
        _compute(
            state,
            usage=used[number],
            invoiced=invoiced[number],
            credit_minor=credits_left.get(state.subscription_id, 0),
            tax=taxes[state.tenant_id],
        )
        for number, state in enumerate(states)
    ]


def _projected(quantity: Decimal, span: Span, at: datetime) -> Decimal:
    """In a straight line, and of whole units a whole number: nobody is going to send 2,681.417 requests."""
    projected = forecast(quantity, span, at)
    is_whole = quantity == quantity.to_integral_value()
    return projected.to_integral_value(ROUND_HALF_UP) if is_whole else projected


def _with_forgiven_fees(states: Sequence[BillingState]) -> Sequence[BillingState]:
    """Of those whose plan changed: whether the fee that their period began with is owed by nobody any more."""
    changed = {state.subscription_id for state in states if len(state.segments()) > 1}
    if not changed:
        return states
    taken_back = Invoice.objects.filter(
        Q(status=InvoiceStatus.VOID) | Q(credit_note__isnull=False), subscription__in=changed
    )
    found = set(taken_back.values_list("subscription_id", "boundary"))
    return [replace(state, is_fee_forgiven=(state.subscription_id, state.boundary - 1) in found) for state in states]


def tax_decisions(tenant_ids: Iterable[UUID]) -> dict[UUID, TaxDecision]:
    """Which tax holds for each tenant now."""
    seller = Issuer.objects.values_list("country", flat=True).get(pk=1)
    rates = {
        country: (name, percent) for country, name, percent in TaxRate.objects.values_list("country", "name", "percent")
    }
    profiles = {profile.tenant_id: profile for profile in BillingProfile.objects.filter(tenant__in=tenant_ids)}
    decisions = {}
    for tenant in Tenant.objects.filter(pk__in=tenant_ids).only("country", "tax_id"):
        profile = profiles.get(tenant.pk)
        decisions[tenant.pk] = decide_tax(
            TaxFacts(
                seller_country=seller,
                buyer_country=tenant.country,
                buyer_tax_id=tenant.tax_id,
                treatment=TaxTreatment.AUTOMATIC if profile is None else TaxTreatment(profile.tax_treatment),
                percent=None if profile is None else profile.tax_percent,
                exemption_reason="" if profile is None else profile.tax_exemption_reason,
                rates=rates,
            )
        )
    return decisions


def _compute(
    state: BillingState,
    *,
    usage: Sequence[Used],
    invoiced: Sequence[InvoicedUsage],
    credit_minor: int,
    tax: TaxDecision,
) -> Computation:
    try:
        return compute_invoice(state, usage=usage, invoiced=invoiced, credit_minor=credit_minor, tax=tax)
    except UnbillableError as error:
        return Unbillable(state, error.reason, error.detail)


def _phases_of(subscription_ids: Sequence[UUID]) -> dict[UUID, tuple[Phase, ...]]:
    rows = list(
        SubscriptionPhase.objects.filter(subscription__in=subscription_ids)
        .order_by("subscription", "starts_at")
        .values_list("subscription_id", "starts_at", "plan_version_id")
    )
    versions: Mapping[int, SoldVersion] = sold_versions(version_id for _, _, version_id in rows)
    phases: dict[UUID, tuple[Phase, ...]] = defaultdict(tuple)
    for subscription_id, starts_at, version_id in rows:
        phases[subscription_id] += (Phase(starts_at, versions[version_id]),)
    return phases


def _ended_by(invoice: Invoice) -> datetime | None:
    """When the subscription ended, if it had at the invoice's boundary, so that it has no fee for a next period."""
    ended_at = invoice.subscription.ended_at
    closes_at = invoice.period_end if invoice.boundary else invoice.subscription.anchor_at
    return ended_at if ended_at is not None and ended_at <= closes_at else None


def _backfill_days(tenant_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many days late events of each tenant may be."""
    return dict(Tenant.objects.filter(pk__in=tenant_ids).values_list("pk", "backfill_days"))


def _roots_of(states: Sequence[BillingState]) -> list[tuple[int, _Root]]:
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
    roots: dict[int, tuple[int, _Root]] = {}
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
            roots[line.pk] = (number, _Root(line, used, line.amount_minor, forgiven_minor))
    return list(roots.values())


def _invoiced_usage(roots: Sequence[tuple[int, _Root]], usage: Sequence[SpanUsage]) -> dict[int, list[InvoicedUsage]]:
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
            )
        )
    return invoiced


def _credits_left(
    states: Sequence[BillingState], following: Sequence[ComputedInvoice] | None
) -> dict[UUID | None, int]:
    """Return the credit of each subscription.

    Carry lines add what an invoice left over, and take what the next one used.

    An invoice that is void, or was credited, has used nothing: its credit is there again.
    """
    boundaries = {state.subscription_id: state.boundary for state in states if state.boundary}
    lines = InvoiceLine.objects.filter(
        invoice__subscription__in=boundaries,
        invoice__credit_note=None,
        revision=F("invoice__revision"),
        kind=LineKind.CARRY,
    ).exclude(invoice__status__in=(InvoiceStatus.DRAFT, InvoiceStatus.VOID))
    left: dict[UUID | None, int] = defaultdict(int)
    sums = lines.values_list("invoice__subscription_id", "invoice__boundary").annotate(sum=Sum("amount_minor"))
    for subscription_id, boundary, amount_minor in sums:
        if boundary < boundaries[subscription_id]:
            left[subscription_id] += int(amount_minor)
    for before in following or ():
        left[before.state.subscription_id] += before.carried_minor
    return left
