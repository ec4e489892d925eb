"""A hundred requests at once, from several processes, for the last ten of a hard quota: exactly ten pass."""

import signal
import sys
from datetime import datetime

import pytest
from django.db import connection
from django.utils import timezone

from metering.domain.budgets import BudgetScope
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.gateways.limit_stores.chosen import limit_store
from metering.services.limits.comparison import compare_counters
from tests.concurrency.authorize_rig import PROCESSES, THREADS, Rig
from tests.concurrency.subjects import SUBJECT
from tests.metering.budget_world import budget_of
from tests.metering.services.limits.limit_world import Caller, caller_on_plan, quota_of

PER_PROCESS, LEFT, USED_BEFORE = 25, 10, 15

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.takes_long("many senders at once, on both stores")]


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def caller_with_ten_left(now: datetime) -> Caller:
    """Return a caller with ten left in a month, in the equal billing period, and for the subject of all requests."""
    limit = str(USED_BEFORE + LEFT)
    quotas = [quota_of(limit), quota_of(limit, period=Period.BILLING), quota_of(limit, scope=LimitScope.SUBJECT)]
    caller = caller_on_plan(now, quotas)
    assert all(caller.authorize(now, subject=SUBJECT).decision.is_allowed for _ in range(USED_BEFORE))
    return caller


def caller_whose_subject_has_ten_left(now: datetime) -> Caller:
    quotas = [quota_of("1000"), quota_of(str(USED_BEFORE + LEFT), period=Period.WEEK, scope=LimitScope.SUBJECT)]
    caller = caller_on_plan(now, quotas)
    assert all(caller.authorize(now, subject=SUBJECT).decision.is_allowed for _ in range(USED_BEFORE))
    assert caller.authorize(now, subject="another").decision.is_allowed
    return caller


def a_hundred_ids() -> list[list[str]]:
    return [[f"{number}-{position}" for position in range(PER_PROCESS)] for number in range(PROCESSES)]


def counted(caller: Caller, now: datetime) -> list[int]:
    return [int(used) for used in limit_store().stored(caller.ledger, now).values()]


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_of_a_hundred_at_once_exactly_ten_pass(rig: Rig, now: datetime) -> None:
    caller = caller_with_ten_left(now)
    allowed = rig.allowed(caller, a_hundred_ids())
    stored = caller.events_stored() - USED_BEFORE
    sys.stdout.write(
        f"\n{rig.name}: 100 at once in {PROCESSES} processes, {LEFT} left: {len(allowed)} allowed, {stored} stored\n"
    )
    assert len(allowed) == stored == LEFT
    assert set(counted(caller, now)) == {USED_BEFORE + LEFT}


def caller_with_a_budget_of_ten(now: datetime) -> Caller:
    """Return a caller with a plan that allows more, whose budgets of requests and of one subject have ten left."""
    caller, limit = caller_on_plan(now, [quota_of("1000")]), str(1 + LEFT)
    budget_of(caller, limit, as_of=now)
    budget_of(caller, limit, as_of=now, scope=BudgetScope.SUBJECT, scope_id=SUBJECT, period=Period.WEEK)
    assert caller.authorize(now, subject=SUBJECT).decision.is_allowed
    return caller


def test_of_a_hundred_at_once_with_a_budget_of_ten_exactly_ten_pass(rig: Rig, now: datetime) -> None:
    # Half of the processes reserve and commit, half authorize.
    caller = caller_with_a_budget_of_ten(now)
    allowed = rig.allowed(caller, a_hundred_ids(), "reserve", "")
    sys.stdout.write(f"\n{rig.name}: 100 at once with a budget of {LEFT}: {len(allowed)} allowed\n")
    assert len(allowed) == caller.events_stored() - 1 == LEFT
    assert set(counted(caller, now)) == {1 + LEFT}
    assert compare_counters(ledgers=[caller.ledger], as_of=now).drifts == ()


def test_control_a_budget_that_is_checked_first_lets_more_pass(rig: Rig, now: datetime) -> None:
    caller = caller_with_a_budget_of_ten(now)
    allowed = rig.allowed(caller, a_hundred_ids(), "check-then-act")
    sys.stdout.write(f"\n{rig.name}, control for a budget: {len(allowed)} allowed with {LEFT} left\n")
    assert len(allowed) > LEFT


def test_of_a_hundred_at_once_for_one_subject_exactly_ten_pass(rig: Rig, now: datetime) -> None:
    caller = caller_whose_subject_has_ten_left(now)
    allowed = rig.allowed(caller, a_hundred_ids(), "", "reserve")
    sys.stdout.write(f"\n{rig.name}: 100 at once for a subject with {LEFT} left: {len(allowed)} allowed\n")
    assert len(allowed) == caller.events_stored() - USED_BEFORE - 1 == LEFT
    assert sorted(counted(caller, now)) == [1, USED_BEFORE + LEFT, USED_BEFORE + LEFT + 1]
    assert compare_counters(ledgers=[caller.ledger], as_of=now).drifts == ()


def test_control_a_subjects_quota_that_is_checked_first_lets_more_pass(rig: Rig, now: datetime) -> None:
    caller = caller_whose_subject_has_ten_left(now)
    allowed = rig.allowed(caller, a_hundred_ids(), "check-then-act")
    sys.stdout.write(f"\n{rig.name}, control for a subject: {len(allowed)} allowed with {LEFT} left\n")
    assert len(allowed) > LEFT


def test_control_a_store_that_checks_first_and_counts_later_lets_more_pass(rig: Rig, now: datetime) -> None:
    # The control: if the step were not atomic, more than ten would pass.
    caller = caller_with_ten_left(now)
    allowed = rig.allowed(caller, a_hundred_ids(), "check-then-act")
    sys.stdout.write(f"\n{rig.name}, control that checks and then acts: {len(allowed)} allowed with {LEFT} left\n")
    assert len(allowed) > LEFT
    assert caller.events_stored() - USED_BEFORE == len(allowed)


def test_a_retry_from_every_process_counts_once(rig: Rig, now: datetime) -> None:
    caller = caller_with_ten_left(now)
    assert rig.allowed(caller, [["same"] * THREADS] * PROCESSES) == ["same"] * THREADS * PROCESSES
    assert caller.events_stored() == USED_BEFORE + 1
    assert set(counted(caller, now)) == {USED_BEFORE + 1}


def test_reports_count_beside_requests_without_a_deadlock(rig: Rig, now: datetime) -> None:
    # Half of the processes authorise, half report. Reports are never refused, and each is in the counter at once.
    caller = caller_on_plan(now, [quota_of("60"), quota_of("1000", period=Period.DAY)], throttle=(1000, 1000))
    deadlocks_before = deadlocks()
    allowed = rig.allowed(caller, a_hundred_ids(), "", "report")
    reported = sum(event_id.startswith(("1-", "3-")) for event_id in allowed)
    assert reported == 50
    assert 10 <= len(allowed) - reported <= 50
    assert caller.events_stored() == len(allowed)
    assert counted(caller, now) == [len(allowed)] * 2
    assert compare_counters(ledgers=[caller.ledger], as_of=now).drifts == ()
    assert deadlocks() == deadlocks_before


def test_a_process_killed_between_take_and_commit_stores_nothing(rig: Rig, now: datetime) -> None:
    # PostgreSQL undoes the count by itself. Redis is too strict by one until it is compared with the ledger.
    caller = caller_with_ten_left(now)
    [killed] = rig.begin(caller, [["lost"]], "die-after-take", threads=1)
    assert killed.wait(timeout=60) == -signal.SIGKILL
    lost_in_redis = 1 if rig.redis_url else 0
    assert caller.events_stored() == USED_BEFORE
    assert set(counted(caller, now)) == {USED_BEFORE + lost_in_redis}
    comparison = compare_counters(ledgers=[caller.ledger], as_of=now)
    assert len(comparison.drifts) == 2 * lost_in_redis, "the tenant's counter and the subject's"
    assert caller.authorize(now, "lost", subject=SUBJECT).decision.limits[0].remaining == LEFT - 1
    assert caller.events_stored() == USED_BEFORE + 1


def test_of_a_hundred_reservations_and_requests_at_once_exactly_ten_are_recorded(rig: Rig, now: datetime) -> None:
    # Half of the processes reserve and commit, half authorize.
    caller = caller_with_ten_left(now)
    deadlocks_before = deadlocks()
    allowed = rig.allowed(caller, a_hundred_ids(), "reserve", "")
    sys.stdout.write(f"\n{rig.name}: 50 reserved and 50 authorized at once, {LEFT} left: {len(allowed)} recorded\n")
    assert len(allowed) == caller.events_stored() - USED_BEFORE == LEFT
    assert set(counted(caller, now)) == {USED_BEFORE + LEFT}
    assert compare_counters(ledgers=[caller.ledger], as_of=now).drifts == ()
    assert deadlocks() == deadlocks_before


def test_control_reservations_that_check_first_and_hold_later_pass_the_quota(rig: Rig, now: datetime) -> None:
    caller = caller_with_ten_left(now)
    allowed = rig.allowed(caller, a_hundred_ids(), "reserve, check-then-act")
    sys.stdout.write(f"\n{rig.name}, control that checks and then holds: {len(allowed)} recorded with {LEFT} left\n")
    assert len(allowed) > LEFT
