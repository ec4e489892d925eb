"""Budgets of a caller, for tests."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from metering.domain.budgets import BudgetScope, BudgetTerms
from metering.domain.periods import Period
from metering.models import Budget
from metering.services.budgets import create_budget
from tests.metering.services.limits.limit_world import OPERATOR, Caller

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def budget_terms(limit: str = "3", **fields: Any) -> BudgetTerms:
    """Return the terms of a monthly budget of requests that stops, or of one in money."""
    usual: dict[str, Any] = {"scope": BudgetScope.TENANT, "period": Period.MONTH, "does_stop": True}
    if "currency" not in fields:
        usual["meter_code"] = "api_requests"
    return BudgetTerms(limit=Decimal(limit), **(usual | fields))


def budget_of(caller: Caller, limit: str = "3", *, as_of: datetime = NOW, **fields: Any) -> Budget:
    return create_budget(tenant=caller.model, terms=budget_terms(limit, **fields), actor=OPERATOR, as_of=as_of)
