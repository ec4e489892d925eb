"""A process is killed between reserve and commit, and in the middle of either: nothing is held for ever or passed."""

import signal
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.domain.reservations import ReservationState
from metering.models import Event, Reservation
from metering.services.limits.comparison import compare_counters
from metering.services.limits.reservations import commit_reservation
from metering.services.reconciliation import reconcile
from tests.concurrency.authorize_rig import Rig
from tests.concurrency.subjects import SUBJECT
from tests.metering.ledger_world import make_meter
from tests.metering.services.limits.limit_world import Caller, caller_on_plan, quota_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.takes_long("it starts a process that authorizes, to kill it"),
]

QUOTA, HELD = 10, 8


@pytest.fixture
def caller() -> Caller:
    make_meter("tokens", event_type="tokens", aggregation="sum")
    by_subject = {"period": Period.WEEK, "scope": LimitScope.SUBJECT}
    quotas = [{}, {"period": Period.BILLING}, by_subject]
    anchor_on = timezone.now().date() - timedelta(days=9)
    return caller_on_plan(
        timezone.now(), [quota_of(str(QUOTA), "tokens", **more) for more in quotas], anchor_on=anchor_on
    )


def kill(rig: Rig, caller: Caller, mode: str) -> None:
    """Send a process to reserve eight of ten, and to be killed at the step that `mode` names."""
    [process] = rig.begin(caller, [["mine"]], mode, threads=1)
    assert process.wait(timeout=60) == -signal.SIGKILL


def passes(caller: Caller, quantity: str, as_of: datetime) -> bool:
    return caller.authorize(as_of, type="tokens", quantity=quantity, subject=SUBJECT).decision.is_allowed


def used(caller: Caller) -> Decimal:
    return sum((event.quantity for event in Event.objects.of_ledger(caller.tenant.id, is_live=True)), Decimal(0))


def check_the_end(caller: Caller) -> None:
    """Check that after the expiry all that is not used is free, to the last unit and not beyond."""
    later = timezone.now() + timedelta(seconds=60)
    left = QUOTA - used(caller)
    assert not passes(caller, f"{left}.000000001", later)
    assert passes(caller, str(left), later)
    assert used(caller) == QUOTA
    assert compare_counters(ledgers=[caller.ledger], as_of=later).drifts == ()
    assert reconcile(ledgers=[caller.ledger]).is_clean
    assert not Reservation.objects.filter(is_holding=True, expires_at__gt=later).exists()


@pytest.mark.parametrize("mode", ["die holding", "die reserving"])
def test_what_a_killed_process_held_is_free_when_it_expires(rig: Rig, caller: Caller, mode: str) -> None:
    kill(rig, caller, mode)
    # What it holds is kept for it; if it was killed before it had it, only Redis, which rolls nothing back, keeps it.
    is_held = mode == "die holding" or bool(rig.redis_url)
    assert passes(caller, "3", timezone.now()) == (not is_held)
    check_the_end(caller)


def test_a_commit_that_was_killed_can_be_sent_again_and_counts_once(rig: Rig, caller: Caller) -> None:
    kill(rig, caller, "die committing")
    assert used(caller) == 0
    now = timezone.now()
    reservation = Reservation.objects.get()
    assert reservation.state == ReservationState.HELD
    assert not passes(caller, "3", reservation.created_at)
    for _ in range(2):
        committed = commit_reservation(
            principal=caller.principal,
            tenant=caller.tenant,
            reservation_id=reservation.id,
            quantity=Decimal(HELD),
            as_of=min(now, reservation.expires_at - timedelta(milliseconds=1)),
        )
        assert committed.decision.is_allowed
    assert used(caller) == HELD
    assert not passes(caller, "3", now)
    compare_counters(ledgers=[caller.ledger], as_of=now)
    check_the_end(caller)


@pytest.mark.parametrize("mode", ["die freeing", "die releasing"])
def test_what_was_not_freed_before_the_kill_is_free_when_it_expires(rig: Rig, caller: Caller, mode: str) -> None:
    if mode == "die freeing" and not rig.redis_url:
        # PostgreSQL frees the rest in the transaction of the commit itself: there is no later step to die in.
        assert rig.allowed(caller, [["mine"]], mode, threads=1) == ["mine"]
        for process in rig.workers.processes:  # it remembers this test's meters
            process.kill()
            process.wait(30)
    else:
        kill(rig, caller, mode)
    assert used(caller) == (HELD // 2 if mode == "die freeing" else 0)
    check_the_end(caller)
