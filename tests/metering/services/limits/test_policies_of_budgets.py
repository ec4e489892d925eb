"""Budgets that stop are limits: whose usage they count, what they refuse, and when they let requests pass again."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.domain.api_key import KeyKind
from accounts.errors import NotFoundError
from accounts.models import AuditEntry
from metering.domain.budgets import BudgetScope
from metering.domain.limit_policy import LimitRefusal
from metering.domain.periods import Period
from metering.services.budgets import change_budget, delete_budget, stop_by_budget
from metering.services.limits.authorization import check_limits
from metering.services.limits.comparison import compare_counters
from metering.services.limits.counting import ingest_and_count
from metering.services.limits.reservations import commit_reservation, reserve
from tests.metering.budget_world import NOW, budget_of
from tests.metering.ledger_world import make_tenant
from tests.metering.services.limits.limit_world import OPERATOR, Caller, put_on_plan, quota_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

LATER = NOW + timedelta(hours=3)


@pytest.fixture
def caller() -> Caller:
    return Caller(make_tenant("acme"))


def test_a_budget_refuses_what_is_beyond_it_and_counts_what_was_used_before(caller: Caller) -> None:
    assert caller.passes(NOW, 2) == [True] * 2
    budget_of(caller)
    assert caller.passes(NOW, 3) == [True, False, False]
    refused = caller.authorize(NOW).decision
    assert (refused.refusal, refused.refused_by) == (LimitRefusal.BUDGET_EXCEEDED, "budget")
    [state] = refused.limits
    assert (state.name, state.limit, state.remaining) == ("budget", 3, 0)
    assert caller.passes(NOW + timedelta(days=30)) == [True], "the next period begins at 0"


def test_reported_usage_counts_and_is_never_refused(caller: Caller) -> None:
    budget_of(caller)
    for _ in range(5):
        one = [caller.event(NOW)]
        assert ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=one, as_of=NOW).accepted
    assert caller.passes(NOW) == [False]
    assert caller.events_stored() == 5


def test_a_raised_budget_lets_requests_pass_and_a_paused_or_deleted_one_never_refuses(caller: Caller) -> None:
    budget = budget_of(caller)
    assert caller.passes(NOW, 4)[-1] is False
    budget = change_budget(budget=budget, actor=OPERATOR, as_of=NOW, limit=Decimal(4))
    assert caller.passes(NOW, 2) == [True, False]
    budget = change_budget(budget=budget, actor=OPERATOR, as_of=NOW, is_paused=True)
    assert caller.passes(NOW, 2) == [True, True]
    change_budget(budget=budget, actor=OPERATOR, as_of=NOW, is_paused=False, limit=Decimal(7))
    assert caller.passes(NOW, 2) == [True, False], "what passed meanwhile counts"
    delete_budget(budget=budget, actor=OPERATOR, as_of=NOW)
    assert caller.passes(NOW) == [True]
    with pytest.raises(NotFoundError):
        delete_budget(budget=budget, actor=OPERATOR, as_of=NOW)
    actions = AuditEntry.objects.filter(action__startswith="budget.").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["budget.created", *["budget.changed"] * 3, "budget.deleted"]


def test_a_budget_beside_an_equal_quota_shares_its_counter_and_the_tighter_refuses(caller: Caller) -> None:
    put_on_plan(caller.model, NOW, quota_of("5"))
    budget = budget_of(caller)
    assert caller.passes(NOW, 4) == [True] * 3 + [False]
    assert caller.authorize(NOW).decision.refusal is LimitRefusal.BUDGET_EXCEEDED
    change_budget(budget=budget, actor=OPERATOR, as_of=NOW, limit=Decimal(9))
    assert caller.passes(NOW, 3) == [True, True, False]
    assert caller.authorize(NOW).decision.refusal is LimitRefusal.QUOTA_EXCEEDED


def test_a_budget_of_a_key_counts_this_key_alone(caller: Caller) -> None:
    other = Caller(caller.model)
    budget_of(caller, "2", scope=BudgetScope.API_KEY, scope_id=str(caller.principal.key_id))
    assert caller.passes(NOW, 3) == [True, True, False]
    assert other.passes(NOW, 3) == [True] * 3
    assert caller.authorize(NOW).decision.refused_by == "key-budget"


def test_a_budget_of_a_subject_counts_this_subject_alone(caller: Caller) -> None:
    def passes(subject: str | None, times: int = 1) -> list[bool]:
        return [caller.authorize(NOW, subject=subject).decision.is_allowed for _ in range(times)]

    assert passes("alice") == [True]
    budget_of(caller, "2", scope=BudgetScope.SUBJECT, scope_id="alice", period=Period.WEEK)
    assert passes("alice", 2) == [True, False]
    assert passes("bob", 3) == [True] * 3
    assert passes(None, 3) == [True] * 3
    assert caller.authorize(NOW, subject="alice").decision.refused_by == "subject-budget-api_requests-week"
    budget_of(caller, "4", scope=BudgetScope.SUBJECT, scope_id="bob", period=Period.WEEK)
    assert passes("bob", 2) == [True, False], "what bob used before he had a budget counts"
    assert compare_counters(ledgers=[caller.ledger], as_of=NOW).drifts == ()


def test_held_and_used_together_never_exceed_a_budget(caller: Caller) -> None:
    budget_of(caller, "3", scope=BudgetScope.SUBJECT, scope_id="alice")
    held = reserve(
        principal=caller.principal,
        tenant=caller.tenant,
        event=caller.event(NOW, subject="alice"),
        expires_in_seconds=60,
        as_of=NOW,
    )
    assert [caller.authorize(NOW, subject="alice").decision.is_allowed for _ in range(3)] == [True, True, False]
    assert held.reservation is not None
    committed = commit_reservation(
        principal=caller.principal,
        tenant=caller.tenant,
        reservation_id=held.reservation.pk,
        quantity=None,
        as_of=NOW,
    )
    assert committed.decision.is_allowed
    assert caller.authorize(NOW, subject="alice").decision.refusal is LimitRefusal.BUDGET_EXCEEDED


def test_a_budget_that_only_warns_refuses_nothing(caller: Caller) -> None:
    budget_of(caller, "1", does_stop=False)
    assert caller.passes(NOW, 3) == [True] * 3


def test_an_exceeded_budget_in_money_refuses_until_its_period_ends_or_it_is_raised(caller: Caller) -> None:
    budget = budget_of(caller, "1000", currency="EUR")
    assert caller.passes(NOW) == [True]
    first = caller.event(NOW, "known")
    assert caller.authorize(NOW, "known").decision.is_allowed
    assert stop_by_budget(budget_id=budget.pk, spent=Decimal(1000), until=LATER)
    assert not stop_by_budget(budget_id=budget.pk, spent=Decimal(1001), until=LATER)
    refused = caller.authorize(NOW).decision
    assert (refused.refusal, refused.refused_by) == (LimitRefusal.BUDGET_EXCEEDED, "budget-EUR-month")
    assert refused.wait_microseconds == 3 * 3600 * 10**6
    asked = check_limits(principal=caller.principal, tenant=caller.tenant, event=caller.event(NOW), as_of=NOW)
    assert not asked.is_allowed
    assert caller.authorize(NOW, first.id).is_duplicate, "a retry of what was allowed is allowed"
    assert caller.passes(LATER) == [True], "the period has ended"
    change_budget(budget=budget, actor=OPERATOR, as_of=NOW, limit=Decimal(1000), thresholds=(80,))
    assert caller.passes(NOW) == [False]
    change_budget(budget=budget, actor=OPERATOR, as_of=NOW, limit=Decimal(1001))
    assert caller.passes(NOW) == [True]
    assert not stop_by_budget(budget_id=budget.pk, spent=Decimal(1000), until=LATER), "it was raised meanwhile"


def test_a_test_key_is_stopped_by_no_money(caller: Caller) -> None:
    budget = budget_of(caller, "1000", currency="EUR")
    stop_by_budget(budget_id=budget.pk, spent=Decimal(1000), until=LATER)
    testing = Caller(caller.model, kind=KeyKind.TEST)
    assert testing.passes(NOW) == [True]
