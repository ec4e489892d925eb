"""What budgets in money have spent: the cost of usage, as the invoices of its periods charge it, before tax.

Fees of the plan are no usage and no part of it. Tiers belong to the billing period, so each unit of a period bears the
same share of its amount (`docs/usage.md`, section Cost). What staff must look at before it is billed has no answer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Q

from accounts.selectors.api_keys import key_ids_of_families
from billing.domain.invoicing.lines import Used
from billing.domain.invoicing.state import BillingState
from billing.domain.invoicing.stretches import charges_of_usage
from billing.domain.money import money_text
from billing.domain.usage_cost import PricedSpan, amounts_of_parts
from billing.errors import UnbillableError
from billing.models import Subscription
from billing.selectors.invoicing.states import states_of_periods
from metering.domain.budgets import BudgetScope
from metering.domain.periods import Span
from metering.selectors.budget_usage import SpendAsked
from metering.selectors.catalog import meter_rules
from metering.selectors.ledgers import half_of
from metering.selectors.span_usage import UsageSpan, usage_of_spans
from metering.selectors.usage_query import API_KEY, SUBJECT, UsageQuestion, query_usage


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of a priced stretch that one question is about."""

    asked: SpendAsked
    meter_id: int
    priced: PricedSpan
    span: Span

    @property
    def is_whole(self) -> bool:
        """Return whether it is all usage of the stretch."""
        return self.asked.budget.scope == BudgetScope.TENANT and self.span == self.priced.span


class BilledSpend:
    """The source that `settings.SPEND_SOURCE` names."""

    def spent(self, asked: Sequence[SpendAsked], *, as_of: datetime) -> dict[int, Decimal]:
        """Return what was spent, in minor units, by position. Without a plan nothing is spent."""
        if not asked:
            return {}
        priced, unknown = _priced([one.budget.tenant_id for one in asked], _whole([one.span for one in asked]), as_of)
        answered = [one for one in asked if one.budget.tenant_id not in unknown]
        parts = [part for one in answered for part in _parts(one, priced, as_of)]
        spent = {one.position: Decimal(0) for one in answered}
        for part, quantity in zip(parts, _quantities(parts, as_of), strict=True):
            amount = part.priced.amount_minor if part.is_whole else amounts_of_parts(part.priced, [quantity])[0]
            spent[part.asked.position] += amount
        return spent

    def text(self, amount_minor: Decimal, currency: str) -> str:
        """Return an amount for people, as in "500.00 EUR"."""
        return money_text(int(amount_minor), currency)


def _whole(spans: Sequence[Span]) -> Span:
    return Span(min(span.start for span in spans), max(span.end for span in spans))


def _priced(
    tenant_ids: Iterable[UUID], span: Span, as_of: datetime
) -> tuple[Mapping[tuple[UUID, str], list[tuple[int, PricedSpan]]], set[UUID]]:
    """Return each tenant's priced stretches by currency, and the tenants whose usage cannot be rated."""
    subscriptions = Subscription.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=span.start), tenant_id__in=set(tenant_ids), started_at__lt=span.end
    )
    states = states_of_periods(list(subscriptions.order_by("started_at")), span)
    wanted = [
        UsageSpan(state.tenant_id, price.meter_id or 0, *stretch, until=as_of)
        for state in states
        for _, price, stretch in state.usage_wanted()
    ]
    found = iter(usage_of_spans(wanted) if wanted else ())
    priced: dict[tuple[UUID, str], list[tuple[int, PricedSpan]]] = {}
    unknown: set[UUID] = set()
    for state in states:
        usage = [Used.of(one.quantity, one.events) for _, one in zip(state.usage_wanted(), found, strict=False)]
        try:
            priced.setdefault((state.tenant_id, state.currency), []).extend(_stretches(state, usage))
        except UnbillableError:
            unknown.add(state.tenant_id)
    return priced, unknown


def _stretches(state: BillingState, usage: Sequence[Used]) -> list[tuple[int, PricedSpan]]:
    return [
        (price.meter_id or 0, PricedSpan(stretch, used.quantity, charge.amount_minor, price, version.plan_name))
        for version, price, stretch, used, charge in charges_of_usage(state, usage)
    ]


def _parts(
    asked: SpendAsked, priced: Mapping[tuple[UUID, str], list[tuple[int, PricedSpan]]], as_of: datetime
) -> Iterator[_Part]:
    for meter_id, one in priced.get((asked.budget.tenant_id, asked.budget.currency), ()):
        start, end = max(asked.span.start, one.span.start), min(asked.span.end, one.span.end)
        if start < end and start < as_of:
            yield _Part(asked, meter_id, one, Span(start, end))


def _quantities(parts: Sequence[_Part], as_of: datetime) -> list[Decimal]:
    """Return the usage of each part: of whole tenants by one read, of keys and subjects by a query each."""
    of_tenants = [part for part in parts if part.asked.budget.scope == BudgetScope.TENANT]
    spans = [UsageSpan(part.asked.budget.tenant_id, part.meter_id, *part.span, until=as_of) for part in of_tenants]
    found = iter(usage_of_spans(spans) if spans else ())
    return [
        next(found).quantity if part.asked.budget.scope == BudgetScope.TENANT else _quantity_of(part) for part in parts
    ]


def _quantity_of(part: _Part) -> Decimal:
    budget = part.asked.budget
    rule = next((rule for rule in meter_rules() if rule.id == part.meter_id), None)
    if rule is None or not rule.aggregation.is_additive:
        return Decimal(0)
    if budget.scope == BudgetScope.SUBJECT:
        filters: dict[str, list[str]] = {SUBJECT: [budget.scope_id]}
    else:
        line = UUID(budget.scope_id)
        ids = key_ids_of_families(tenant_id=budget.tenant_id, family_ids=[line])[line]
        filters = {API_KEY: [str(key_id) for key_id in ids]}
    question = UsageQuestion(meter=rule, span=part.span, window=None, filters=filters)
    rows = query_usage(ledger=half_of(budget.tenant, is_live=True), question=question)
    return sum((row.quantity for row in rows), Decimal(0))
