"""The limits that a tenant's budgets set."""

from datetime import timedelta
from decimal import Decimal

import pytest

from metering.domain.budgets import BudgetScope
from metering.domain.periods import Period
from metering.selectors.budgets import stopping_budgets
from metering.selectors.limits import tenant_limits
from metering.services.budgets import stop_by_budget
from tests.metering.budget_world import NOW, budget_of
from tests.metering.ledger_world import make_tenant
from tests.metering.services.limits.limit_world import Caller

pytestmark = pytest.mark.django_db


def test_budgets_in_units_are_quotas_and_those_in_money_are_stops_once_they_are_exceeded() -> None:
    anchor_on = NOW.date() - timedelta(days=9)
    caller = Caller(make_tenant("acme", period_anchor_on=anchor_on))
    budget_of(caller, period=Period.BILLING)
    budget_of(caller, does_stop=False, period=Period.DAY)
    money = budget_of(caller, "900", currency="EUR", scope=BudgetScope.SUBJECT, scope_id="ann")
    assert stopping_budgets(tenant_id=caller.tenant.id, anchor_on=anchor_on)[1] == ()
    stop_by_budget(budget_id=money.pk, spent=Decimal(900), until=NOW)

    limits = tenant_limits(caller.tenant.id)
    assert [(quota.name, quota.anchor_on) for quota in limits.budgets] == [("budget-api_requests-billing", anchor_on)]
    assert [(stop.name, stop.until, stop.subject) for stop in limits.stops] == [
        ("subject-budget-EUR-month", NOW, "ann")
    ]
    assert limits.period_anchor_on == anchor_on
