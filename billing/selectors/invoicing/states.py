"""States of many subscriptions at once: what an invoice is computed from, at the due boundary or as it was."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from accounts.models import Tenant, TenantStatus
from billing.domain.invoicing.state import CALENDAR_MOVES_MAX, BillingState, Phase
from billing.domain.plan_terms import SoldVersion
from billing.domain.proration import FeeRefund
from billing.models import (
    Invoice,
    Subscription,
    SubscriptionPhase,
)
from billing.selectors.catalog.plans import sold_versions
from metering.domain.periods import Span, anchored_span


def states_at_due(subscriptions: Sequence[Subscription]) -> list[BillingState]:
    """Return each subscription's state at the boundary that is due next, with the change that waits for it."""
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
        closes_at = _closes_at(subscription)
        known = phases[subscription.pk]
        if subscription.pending_plan_version_id is not None:
            known = (*known, Phase(closes_at, pending[subscription.pending_plan_version_id]))
        states.append(
            BillingState(
                subscription_id=subscription.pk,
                tenant_id=subscription.tenant_id,
                currency=subscription.currency,
                time_zone=subscription.time_zone,
                anchor_at=subscription.anchor_at,
                boundary=subscription.next_boundary,
                closes_at=closes_at,
                is_ending=subscription.ended_at is not None or is_last,
                phases=known,
                backfill_days=backfill_days,
                ended_at=subscription.ended_at,
                end_refund=FeeRefund(subscription.end_refund),
                begun_at=subscription.period_start,
            )
        )
    return states


def state_of_manual(subscription: Subscription, *, start: datetime, end: datetime) -> BillingState:
    """Return the state of an invoice that staff write: it closes no period, and covers the span of its items."""
    return BillingState(
        subscription_id=subscription.pk,
        tenant_id=subscription.tenant_id,
        currency=subscription.currency,
        time_zone=subscription.time_zone,
        anchor_at=subscription.anchor_at,
        boundary=0,
        closes_at=end,
        is_ending=True,
        phases=(),
        backfill_days=0,
        ended_at=start,
    )


def states_of_invoices(invoices: Sequence[Invoice]) -> list[BillingState]:
    """Return the states from which invoices were computed; `invoices` come with their subscriptions."""
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
            boundary=invoice.boundary_closed,
            closes_at=invoice.period_end if invoice.boundary_closed else invoice.subscription.anchor_at,
            is_ending=ended_at is not None,
            phases=phases[invoice.subscription_id],
            backfill_days=backfill[invoice.tenant_id],
            ended_at=ended_at,
            end_refund=FeeRefund(invoice.subscription.end_refund),
            begun_at=invoice.period_start,
        )
        for invoice, ended_at in zip(invoices, ends, strict=True)
    ]


def states_of_periods(subscriptions: Sequence[Subscription], span: Span) -> list[BillingState]:
    """Return a state for each billing period that has an instant in a span, which closes that period. Two queries.

    They are for rating usage: fees, credits and single items are left out.
    """
    phases = _phases_of([subscription.pk for subscription in subscriptions]) if subscriptions else {}
    states = []
    for own in subscriptions:
        last_at = min(span.end, own.ended_at or span.end)
        for boundary in range(1, own.next_boundary + 2):
            period = anchored_span(own.anchor_at, boundary - 1, own.time_zone)
            if period.start >= last_at:
                break
            if period.end > span.start:
                states.append(_state_of_period(own, boundary, period, phases[own.pk]))
    return states


def _state_of_period(own: Subscription, boundary: int, period: Span, phases: tuple[Phase, ...]) -> BillingState:
    is_last = own.ended_at is not None and own.ended_at <= period.end
    return BillingState(
        subscription_id=own.pk,
        tenant_id=own.tenant_id,
        currency=own.currency,
        time_zone=own.time_zone,
        anchor_at=own.anchor_at,
        boundary=boundary,
        closes_at=own.ended_at if own.ended_at is not None and is_last else period.end,
        is_ending=is_last,
        phases=phases,
        backfill_days=0,
        begun_at=own.period_start if boundary == own.next_boundary else None,
    )


def _closes_at(subscription: Subscription) -> datetime:
    """Return the due boundary as the calendar of the zone has it now, if it was stored by another one (A4, A6)."""
    assert subscription.due_at is not None, "a subscription that is due"
    if subscription.ended_at is not None:
        return subscription.due_at
    zone = subscription.time_zone
    begins_at = anchored_span(subscription.anchor_at, subscription.next_boundary, zone).start
    return begins_at if abs(begins_at - subscription.due_at) < CALENDAR_MOVES_MAX else subscription.due_at


def _phases_of(subscription_ids: Sequence[UUID]) -> dict[UUID, tuple[Phase, ...]]:
    rows = list(
        SubscriptionPhase.objects.filter(subscription__in=subscription_ids)
        .order_by("subscription", "starts_at")
        .values_list("subscription_id", "starts_at", "plan_version_id", "fee_refund")
    )
    versions: Mapping[int, SoldVersion] = sold_versions(version_id for _, _, version_id, _ in rows)
    phases: dict[UUID, tuple[Phase, ...]] = defaultdict(tuple)
    for subscription_id, starts_at, version_id, fee_refund in rows:
        phases[subscription_id] += (Phase(starts_at, versions[version_id], FeeRefund(fee_refund)),)
    return phases


def _ended_by(invoice: Invoice) -> datetime | None:
    """Return when the subscription ended, if it had at the invoice's boundary: no fee for a next period is due then."""
    ended_at = invoice.subscription.ended_at
    closes_at = invoice.period_end if invoice.boundary_closed else invoice.subscription.anchor_at
    return ended_at if ended_at is not None and ended_at <= closes_at else None


def _backfill_days(tenant_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return how many days late events of each tenant may be."""
    return dict(Tenant.objects.filter(pk__in=tenant_ids).values_list("pk", "backfill_days"))
