"""What is used of budgets in their periods."""

from datetime import date, timedelta

import pytest

from metering.domain.budgets import BudgetScope
from metering.domain.periods import Period
from metering.selectors.budget_usage import budget_windows
from tests.metering.budget_world import NOW, budget_of
from tests.metering.ledger_world import make_tenant
from tests.metering.services.limits.limit_world import Caller

pytestmark = pytest.mark.django_db


def test_a_budget_is_read_in_each_period_that_has_not_ended_long_ago() -> None:
    caller, other = Caller(make_tenant("acme", time_zone="Europe/Berlin")), Caller(make_tenant("rival"))
    kept = budget_of(caller, "100", period=Period.DAY, does_stop=False, as_of=NOW - timedelta(days=2))
    ann = budget_of(caller, "100", period=Period.WEEK, scope=BudgetScope.SUBJECT, scope_id="ann", does_stop=False)
    budget_of(other, "100", does_stop=False)
    for subject in ("ann", "bob", None):
        assert caller.authorize(NOW, subject=subject).decision.is_allowed

    found = budget_windows(as_of=NOW, looked_back_to=NOW - timedelta(hours=14), tenant_ids=[caller.tenant.id])

    assert [(window.budget, window.first_day, window.used) for window in found] == [
        (kept, date(2026, 3, 9), 0),
        (kept, date(2026, 3, 10), 3),
        (ann, date(2026, 3, 9), 1),
    ]
    assert [window.used for window in budget_windows(as_of=NOW, budget_ids=[ann.pk])] == [1]
