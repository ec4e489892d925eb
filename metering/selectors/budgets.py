"""A tenant's budgets, and the limits that they set."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db.models import QuerySet

from accounts.domain.pages import Page, PageRequest
from accounts.errors import NotFoundError
from accounts.selectors.pages import page_of
from metering.domain.budgets import BudgetScope, budget_limit_name, money_limit_name
from metering.domain.ledger import TENANT_SCOPE
from metering.domain.limit_policy import LimitRefusal, Quota, Stop
from metering.domain.limit_scopes import subject_scope
from metering.domain.periods import Period
from metering.models import Budget


def budgets_of_tenant(*, tenant_id: UUID) -> QuerySet[Budget]:
    """Return all budgets of the tenant with their meters, newest first: there are few."""
    return Budget.objects.filter(tenant_id=tenant_id).select_related("meter", "tenant")


def budgets_page(*, tenant_id: UUID, request: PageRequest) -> Page[Budget]:
    """Return a page of the tenant's budgets, newest first."""
    return page_of(budgets_of_tenant(tenant_id=tenant_id), request, instant_field="created_at", parse_id=UUID)


def budget_of_tenant(*, tenant_id: UUID, budget_id: UUID) -> Budget:
    """Return one of the tenant's budgets. Raises `NotFoundError`, also for another tenant's."""
    budget = budgets_of_tenant(tenant_id=tenant_id).filter(pk=budget_id).first()
    if budget is None:
        raise NotFoundError("There is no such budget.")
    return budget


def stopping_budgets(*, tenant_id: UUID, anchor_on: date | None) -> tuple[tuple[Quota, ...], tuple[Stop, ...]]:
    """Return the hard quotas of the tenant's budgets in units that stop, and the stops of those in money."""
    budgets = Budget.objects.filter(tenant_id=tenant_id, does_stop=True, is_paused=False).select_related("meter")
    rows = list(budgets.order_by("pk"))
    return (
        tuple(_quota_of(budget, anchor_on) for budget in rows if not budget.currency),
        tuple(stop for budget in rows if budget.currency for stop in _stops_of(budget)),
    )


def limit_name_of(budget: Budget) -> str:
    """Return the name under which clients see the budget among their limits."""
    scope, period = BudgetScope(budget.scope), Period(budget.period)
    if budget.meter is None:
        return money_limit_name(scope, budget.currency, period)
    return budget_limit_name(scope, budget.meter.code, period)


def _quota_of(budget: Budget, anchor_on: date | None) -> Quota:
    assert budget.meter is not None, "a budget in units has a meter"
    return Quota(
        name=limit_name_of(budget),
        scope_id=_scope_of(budget),
        meter_id=budget.meter.pk,
        meter_code=budget.meter.code,
        period=Period(budget.period),
        limit=budget.limit,
        is_hard=True,
        anchor_on=anchor_on if budget.period == Period.BILLING else None,
        subject=_subject_of(budget),
        refusal=LimitRefusal.BUDGET_EXCEEDED,
        names_subject=budget.scope == BudgetScope.SUBJECT,
    )


def _stops_of(budget: Budget) -> Iterable[Stop]:
    if budget.stopped_until_at is not None:
        yield Stop(limit_name_of(budget), _scope_of(budget), budget.stopped_until_at, _subject_of(budget))


def _scope_of(budget: Budget) -> UUID:
    if budget.scope == BudgetScope.TENANT:
        return TENANT_SCOPE
    return UUID(budget.scope_id) if budget.scope == BudgetScope.API_KEY else subject_scope(budget.scope_id)


def _subject_of(budget: Budget) -> str | None:
    return budget.scope_id if budget.scope == BudgetScope.SUBJECT else None
