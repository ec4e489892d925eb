"""The terms of a budget: their faults, and the names of the limits that they set."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.errors import InvalidFieldsError
from metering.domain.budgets import (
    BudgetScope,
    BudgetTerms,
    budget_limit_name,
    checked_budget,
    money_limit_name,
    straight_line,
)
from metering.domain.periods import Period, Span


def terms(**fields: Any) -> BudgetTerms:
    usual = {"scope": BudgetScope.TENANT, "period": Period.MONTH, "limit": Decimal(5), "meter_code": "api_requests"}
    return BudgetTerms(**(usual | fields))


def test_thresholds_are_kept_in_order_once_each() -> None:
    assert checked_budget(terms(thresholds=(100, 50, 100))).thresholds == (50, 100)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        checked_budget(terms(currency="EUR", scope_id="ann", limit=Decimal("NaN"), thresholds=(0,)))
    assert [error.pointer for error in refused.value.field_errors] == ["/meter", "/scope_id", "/limit", "/thresholds"]


def test_usage_is_projected_in_a_straight_line_within_the_period_alone() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    span = Span(start, start + timedelta(days=30))
    found = [straight_line(Decimal(10), span, start + timedelta(days=days)) for days in (0, 10, 30)]
    assert found == [10, 30, 10]


def test_the_limit_is_named_as_quotas_are() -> None:
    assert budget_limit_name(BudgetScope.TENANT, "api_requests", Period.MONTH) == "budget"
    assert budget_limit_name(BudgetScope.API_KEY, "tokens", Period.DAY) == "key-budget-tokens-day"
    assert money_limit_name(BudgetScope.SUBJECT, "EUR", Period.BILLING) == "subject-budget-EUR-billing"
