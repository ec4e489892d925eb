"""What a meter's usage costs by the plans that a tenant was on, computed as the invoice of each period computes it."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q

from billing.domain.invoicing.lines import Used
from billing.domain.invoicing.state import BillingState
from billing.domain.invoicing.stretches import charges_of_usage
from billing.domain.usage_cost import PricedSpan
from billing.models import Subscription
from billing.selectors.invoicing.states import states_of_periods
from metering.domain.periods import Span
from metering.selectors.span_usage import SpanUsage, UsageSpan, usage_of_spans


def priced_spans(*, tenant_id: UUID, meter_id: int, span: Span, as_of: datetime) -> list[PricedSpan]:
    """Return the priced stretches of a meter that have an instant in a span, in order, with usage as it is now.

    A stretch is whole, even if the span cuts it. What no plan charged, such as a trial, has none. Raises
    `UnbillableError` if staff must look at the usage first.
    """
    subscriptions = Subscription.objects.of_tenant(tenant_id).filter(
        Q(ended_at=None) | Q(ended_at__gt=span.start), started_at__lt=span.end
    )
    states = states_of_periods(list(subscriptions.order_by("started_at")), span)
    wanted = [
        UsageSpan(tenant_id, meter_id, *stretch, until=as_of)
        for state in states
        for _, price, stretch in state.usage_wanted()
        if price.meter_id == meter_id
    ]
    found = iter(usage_of_spans(wanted) if wanted else ())
    priced = []
    for state in states:
        usage = [
            _used(next(found)) if price.meter_id == meter_id else Used.nothing() for _, price, _ in state.usage_wanted()
        ]
        priced += [one for one in _priced(state, usage, meter_id) if _touches(one.span, span)]
    return priced


def currency_of_usage(tenant_id: UUID) -> str | None:
    """Return the currency of the tenant's latest subscription; None if it never had one."""
    rows = Subscription.objects.of_tenant(tenant_id).order_by(F("ended_at").desc(nulls_first=True), "-started_at")
    return rows.values_list("currency", flat=True).first()


def _used(found: SpanUsage) -> Used:
    return Used.of(found.quantity, found.events)


def _priced(state: BillingState, usage: list[Used], meter_id: int) -> Iterator[PricedSpan]:
    for version, price, stretch, used, charge in charges_of_usage(state, usage):
        if price.meter_id == meter_id:
            yield PricedSpan(stretch, used.quantity, charge.amount_minor, price, version.plan_name)


def _touches(stretch: Span, span: Span) -> bool:
    return stretch.start < span.end and span.start < stretch.end
