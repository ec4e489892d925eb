"""What is used of budgets: units by one statement, those of a subject from events, money by the app above."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Protocol
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from accounts.sql import fetch_all
from metering.domain.budgets import BudgetScope
from metering.domain.periods import Span, start_of_day
from metering.models import Budget
from metering.selectors.catalog import meter_rules
from metering.selectors.ledgers import half_of
from metering.selectors.period_sql import end_day, first_day
from metering.selectors.usage_query import SUBJECT, UsageQuestion, query_usage

# The periods of every budget of active tenants that had begun by `as_of` and not ended at `looked_back_to`, with what
# usage by day says. That of one subject is not in it, and money is rated by the app above.
BUDGET_WINDOWS: Final = f"""
WITH budget AS MATERIALIZED (
    SELECT b.id, b.tenant_id, b.scope, b.scope_id, b.meter_id, b.period, p.first_day, p.end_day,
        least((%(as_of)s::timestamptz AT TIME ZONE t.time_zone)::date, p.end_day - 1) AS last_day
    FROM metering_budget AS b JOIN accounts_tenant AS t ON t.id = b.tenant_id
    CROSS JOIN LATERAL (
        SELECT first_day, {end_day("b.period", "first_day", "t.period_anchor_on")} AS end_day
        FROM (
            SELECT DISTINCT {first_day("b.period", "day::date", "t.period_anchor_on")} AS first_day
            FROM generate_series(
                date_trunc('day', %(looked_back_to)s::timestamptz AT TIME ZONE t.time_zone),
                %(as_of)s::timestamptz AT TIME ZONE t.time_zone, '1 day') AS day
        ) AS begun
    ) AS p
    WHERE t.status = 'active' AND NOT b.is_paused
        AND (%(tenant_ids)s::uuid[] IS NULL OR t.id = ANY(%(tenant_ids)s::uuid[]))
        AND (%(budget_ids)s::uuid[] IS NULL OR b.id = ANY(%(budget_ids)s::uuid[]))
        AND b.created_at < p.end_day::timestamp AT TIME ZONE t.time_zone
)
SELECT b.id, b.first_day, b.end_day, coalesce((
    SELECT sum(d.quantity) FROM usage_day AS d
    WHERE d.tenant_id = b.tenant_id AND d.is_live AND d.meter_id = b.meter_id AND b.scope <> 'subject'
        AND d.day BETWEEN b.first_day AND b.last_day
        AND (b.scope = 'tenant' OR d.api_key_id IN (
            SELECT k.id FROM accounts_apikey AS k WHERE k.tenant_id = b.tenant_id
                AND b.scope_id IN (k.id::text, k.family_id::text)))
), 0)
FROM budget AS b ORDER BY b.id, b.first_day
"""


@dataclass(frozen=True, slots=True)
class BudgetWindow:
    """A budget in one of its periods. `used` is in units of its meter, or in minor units of its currency."""

    budget: Budget
    first_day: date
    end_day: date
    used: Decimal

    @property
    def span(self) -> Span:
        """Return the period's instants."""
        zone = self.budget.tenant.time_zone
        return Span(start_of_day(self.first_day, zone), start_of_day(self.end_day, zone))


@dataclass(frozen=True, slots=True)
class SpendAsked:
    """A question to the app that knows prices: what the budget's scope has spent in the span."""

    position: int
    budget: Budget
    span: Span


class SpendSource(Protocol):
    """Rates usage. `settings.SPEND_SOURCE` names the class of the app that knows prices."""

    def spent(self, asked: Sequence[SpendAsked], *, as_of: datetime) -> dict[int, Decimal]:
        """Return what was spent, in minor units, by the position of each question that has an answer."""

    def text(self, amount_minor: Decimal, currency: str) -> str:
        """Return an amount for people."""


def spend_source() -> SpendSource:
    """Return the source of spend."""
    source: SpendSource = import_string(settings.SPEND_SOURCE)()
    return source


def budget_windows(
    *,
    as_of: datetime,
    looked_back_to: datetime | None = None,
    tenant_ids: Sequence[UUID] | None = None,
    budget_ids: Collection[UUID] | None = None,
) -> list[BudgetWindow]:
    """Return every budget that is not paused in its periods that began by `as_of` and end after `looked_back_to`."""
    rows = fetch_all(
        BUDGET_WINDOWS,
        {
            "as_of": as_of,
            "looked_back_to": looked_back_to or as_of,
            "tenant_ids": None if tenant_ids is None else list(tenant_ids),
            "budget_ids": None if budget_ids is None else list(budget_ids),
        },
    )
    if not rows:
        return []
    found = Budget.objects.select_related("meter", "tenant").in_bulk({row[0] for row in rows})
    windows = [BudgetWindow(found[budget_id], *rest) for budget_id, *rest in rows if budget_id in found]
    return list(_with_spend(_with_subjects(windows), as_of))


def _with_subjects(windows: Sequence[BudgetWindow]) -> list[BudgetWindow]:
    """Return the windows with the usage of subjects, from events: a query for each meter and period of a tenant."""
    groups: dict[tuple[UUID, int, date, date], list[str]] = {}
    for window in windows:
        budget = window.budget
        if budget.scope == BudgetScope.SUBJECT and budget.meter_id is not None:
            place = budget.tenant_id, budget.meter_id, window.first_day, window.end_day
            groups.setdefault(place, []).append(budget.scope_id)
    if not groups:
        return list(windows)
    rules = {rule.id: rule for rule in meter_rules()}
    tenants = {window.budget.tenant_id: window.budget.tenant for window in windows}
    used: dict[tuple[UUID, int | None, date, str | None], Decimal] = {}
    for (tenant_id, meter_id, first, end), subjects in groups.items():
        tenant = tenants[tenant_id]
        span = Span(start_of_day(first, tenant.time_zone), start_of_day(end, tenant.time_zone))
        if meter_id not in rules:
            continue
        question = UsageQuestion(
            meter=rules[meter_id], span=span, window=None, group_by=(SUBJECT,), filters={SUBJECT: subjects}
        )
        for row in query_usage(ledger=half_of(tenant, is_live=True), question=question):
            used[tenant_id, meter_id, first, row.group[SUBJECT]] = row.quantity
    return [
        replace(
            window, used=used.get((budget.tenant_id, budget.meter_id, window.first_day, budget.scope_id), window.used)
        )
        for window in windows
        for budget in [window.budget]
    ]


def _with_spend(windows: Sequence[BudgetWindow], as_of: datetime) -> Iterator[BudgetWindow]:
    """Yield the windows with what was spent in those of money. One that cannot be rated is left out."""
    asked = [
        SpendAsked(position, window.budget, window.span)
        for position, window in enumerate(windows)
        if window.budget.currency
    ]
    spent = spend_source().spent(asked, as_of=as_of) if asked else {}
    for position, window in enumerate(windows):
        if not window.budget.currency:
            yield window
        elif position in spent:
            yield replace(window, used=spent[position])
