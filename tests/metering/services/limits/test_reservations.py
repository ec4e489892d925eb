"""Reservations, through the services, with either store: what is held, recorded, freed, and what a retry gets."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError

from accounts.errors import NotFoundError
from accounts.models import AuditEntry
from metering.domain.limit_policy import LimitRefusal, counter_key
from metering.domain.periods import Period
from metering.domain.reservations import ReservationState
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.errors import EventConflictError, ReservationEndedError
from metering.gateways.limit_stores.chosen import limit_store
from metering.models import Event, Reservation, UsagePlan
from metering.selectors.limits import forget_limits
from metering.selectors.reservations import open_reservations
from metering.services.limits import reservations
from metering.services.limits.comparison import compare_counters
from metering.services.limits.counting import forget_counters, ingest_and_count
from metering.services.limits.reservations import (
    Committed,
    Reserved,
    commit_reservation,
    delete_ended_reservations,
    end_expired_reservations,
    release_by_staff,
    release_reservation,
    reserve,
)
from metering.services.usage_plans import update_usage_plan
from tests.metering.ledger_world import make_meter
from tests.metering.services.limits.limit_world import OPERATOR, Caller, caller_on_plan, quota_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
LATER = NOW + timedelta(seconds=10)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]


@pytest.fixture
def tokens() -> str:
    """Return the code of a meter that sums the quantity of events of its own type."""
    return make_meter("tokens", event_type="tokens", aggregation="sum").code


@pytest.fixture
def caller(tokens: str) -> Caller:
    """Return a caller that may use ten tokens a month."""
    return caller_on_plan(NOW, [quota_of("10", tokens)])


def hold(
    caller: Caller, quantity: str = "1", event_id: str = "", *, as_of: datetime = NOW, seconds: int = 300
) -> Reserved:
    event = caller.event(as_of, event_id, type="tokens", quantity=quantity)
    return reserve(
        principal=caller.principal, tenant=caller.tenant, event=event, expires_in_seconds=seconds, as_of=as_of
    )


def held(caller: Caller, quantity: str = "1", *, as_of: datetime = NOW, seconds: int = 300) -> UUID:
    reservation = hold(caller, quantity, as_of=as_of, seconds=seconds).reservation
    assert reservation is not None
    return reservation.id


def commit(caller: Caller, reservation_id: UUID, quantity: str | None = None, *, as_of: datetime = LATER) -> Committed:
    return commit_reservation(
        principal=caller.principal,
        tenant=caller.tenant,
        reservation_id=reservation_id,
        quantity=None if quantity is None else Decimal(quantity),
        as_of=as_of,
    )


def release(caller: Caller, reservation_id: UUID, *, as_of: datetime = LATER) -> None:
    release_reservation(principal=caller.principal, tenant=caller.tenant, reservation_id=reservation_id, as_of=as_of)


def may_use(caller: Caller, quantity: str, *, as_of: datetime = LATER) -> bool:
    return caller.authorize(as_of, type="tokens", quantity=quantity).decision.is_allowed


def used(caller: Caller, as_of: datetime = LATER) -> list[Decimal]:
    return list(limit_store().stored(caller.ledger, as_of).values())


def test_what_is_held_is_refused_to_others_and_not_used(caller: Caller) -> None:
    held(caller, "8")
    assert not may_use(caller, "3")
    assert may_use(caller, "2")
    assert used(caller) == [2]


def test_a_reservation_beyond_the_quota_is_refused_and_holds_nothing(caller: Caller) -> None:
    held(caller, "8")
    refused = hold(caller, "3")
    assert refused.reservation is None
    assert refused.decision.refusal is LimitRefusal.QUOTA_EXCEEDED
    assert [state.remaining for state in refused.decision.limits] == [2]
    assert Reservation.objects.count() == 1


def test_a_commit_records_what_was_used_and_frees_the_rest(caller: Caller) -> None:
    committed = commit(caller, held(caller, "8"), "3.5")
    assert committed.quantity == Decimal("3.5")
    [event] = Event.objects.of_ledger(caller.tenant.id, is_live=True)
    assert (event.event_id, event.quantity, event.occurred_at, event.type) == (
        committed.event_id,
        Decimal("3.5"),
        NOW,
        "tokens",
    )
    assert used(caller) == [Decimal("3.5")]
    assert not may_use(caller, "7")
    assert may_use(caller, "6.5")


def test_a_commit_records_by_default_all_that_was_held(caller: Caller) -> None:
    assert commit(caller, held(caller, "8")).quantity == 8
    assert used(caller) == [8]


@pytest.mark.parametrize(("quantity", "is_recorded"), [("9", True), ("10", True), ("10.000000001", False)])
def test_more_than_was_held_is_recorded_if_the_quota_has_room(
    caller: Caller, quantity: str, *, is_recorded: bool
) -> None:
    reservation_id = held(caller, "8")
    committed = commit(caller, reservation_id, quantity)
    assert committed.decision.is_allowed == is_recorded
    assert caller.events_stored() == int(is_recorded)
    if not is_recorded:
        assert not may_use(caller, "3"), "the reservation stays"
        assert commit(caller, reservation_id, "8").decision.is_allowed
        assert used(caller) == [8]


def test_the_same_commit_again_gives_the_same_answer_and_counts_nothing(caller: Caller) -> None:
    reservation_id = held(caller, "8")
    first = commit(caller, reservation_id, "5")
    again = commit(caller, reservation_id, "5", as_of=NOW + timedelta(days=3))
    assert (again.event_id, again.quantity) == (first.event_id, first.quantity)
    assert caller.events_stored() == 1
    assert used(caller) == [5]


def test_another_commit_or_a_release_after_a_commit_is_refused(caller: Caller) -> None:
    reservation_id = held(caller, "8")
    commit(caller, reservation_id, "5")
    for late in (lambda: commit(caller, reservation_id, "4"), lambda: release(caller, reservation_id)):
        with pytest.raises(ReservationEndedError):
            late()
    assert used(caller) == [5]


def test_a_release_frees_everything_and_may_be_repeated(caller: Caller) -> None:
    reservation_id = held(caller, "8")
    release(caller, reservation_id)
    release(caller, reservation_id)
    assert may_use(caller, "10")
    with pytest.raises(ReservationEndedError):
        commit(caller, reservation_id)
    assert used(caller) == [10]


def test_what_has_expired_counts_nothing_from_that_instant_though_no_worker_runs(caller: Caller) -> None:
    reservation_id = held(caller, "8", seconds=5)
    expires_at = NOW + timedelta(seconds=5)
    assert not may_use(caller, "3", as_of=expires_at - timedelta(microseconds=1))
    assert may_use(caller, "10", as_of=expires_at)
    with pytest.raises(ReservationEndedError):
        commit(caller, reservation_id, as_of=expires_at)
    release(caller, reservation_id, as_of=expires_at)
    assert used(caller) == [10]


def test_a_commit_with_a_clock_behind_finds_its_room_given_away(caller: Caller) -> None:
    reservation_id = held(caller, "8", seconds=5)
    assert may_use(caller, "10", as_of=NOW + timedelta(seconds=5))
    with pytest.raises(ReservationEndedError):
        commit(caller, reservation_id, as_of=NOW + timedelta(seconds=4))
    assert used(caller) == [10]


def test_the_expiry_is_a_whole_second_and_never_too_early(caller: Caller) -> None:
    as_of = NOW + timedelta(microseconds=1)
    reservation = hold(caller, as_of=as_of, seconds=5).reservation
    assert reservation is not None
    assert reservation.expires_at == NOW + timedelta(seconds=6)


def test_the_usage_counts_in_the_period_whose_quota_was_held(tokens: str) -> None:
    caller = caller_on_plan(NOW, [quota_of("10", tokens, period=Period.DAY)])
    before, after = datetime(2026, 3, 10, 23, 59, tzinfo=UTC), datetime(2026, 3, 11, 0, 1, tzinfo=UTC)
    reservation_id = held(caller, "8", as_of=before)
    assert may_use(caller, "10", as_of=after)
    assert commit(caller, reservation_id, "8", as_of=after).decision.is_allowed
    assert [event.occurred_at for event in Event.objects.order_by("occurred_at")] == [before, after]


def test_each_limit_of_tenant_and_key_holds_and_the_keys_own_counts_requests() -> None:
    caller = caller_on_plan(
        NOW, [quota_of("10")], throttle=(1, 50), throttle_rate=1, throttle_burst=9, quota=Decimal(2)
    )
    event = caller.event(NOW, quantity="5")
    reserved = reserve(principal=caller.principal, tenant=caller.tenant, event=event, expires_in_seconds=60, as_of=NOW)
    assert {state.name: state.remaining for state in reserved.decision.limits} == {
        "throttle": 49,
        "key-throttle": 8,
        "quota": 9,
        "key-quota": 1,
    }


def test_another_key_of_the_tenant_may_commit_and_the_reserving_key_counts() -> None:
    caller = caller_on_plan(NOW, [quota_of("10")], quota=Decimal(1))
    other = Caller(caller.model, quota=Decimal(1))
    event = caller.event(NOW)
    reserved = reserve(
        principal=caller.principal, tenant=caller.tenant, event=event, expires_in_seconds=60, as_of=NOW
    ).reservation
    assert reserved is not None
    assert commit(other, reserved.id).decision.is_allowed
    assert not caller.authorize(LATER).decision.is_allowed
    assert other.authorize(LATER).decision.is_allowed


def test_the_same_event_again_is_the_same_reservation(caller: Caller) -> None:
    first, again = (hold(caller, "8", "mine").reservation for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.id == again.id
    assert may_use(caller, "2")
    with pytest.raises(EventConflictError):
        hold(caller, "7", "mine")


def test_an_event_id_is_free_again_after_the_expiry(caller: Caller) -> None:
    hold(caller, "8", "mine", seconds=5)
    again = hold(caller, "9", "mine", as_of=NOW + timedelta(seconds=5))
    assert again.reservation is not None
    assert Reservation.objects.filter(state=ReservationState.EXPIRED).count() == 1


def test_an_event_that_is_recorded_cannot_be_reserved(caller: Caller) -> None:
    caller.authorize(NOW, "mine", type="tokens")
    with pytest.raises(EventConflictError):
        hold(caller, "1", "mine")


def test_an_event_that_was_reported_meanwhile_counts_once(caller: Caller) -> None:
    reservation = hold(caller, "8", "mine").reservation
    assert reservation is not None
    event = caller.event(LATER, "mine", type="tokens", quantity="8")
    ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=[event], as_of=LATER)
    assert commit(caller, reservation.id).event_id == "mine"
    assert (caller.events_stored(), used(caller)) == (1, [8])
    assert may_use(caller, "2")


def test_other_content_that_was_reported_meanwhile_is_a_conflict_and_the_reservation_stays(caller: Caller) -> None:
    reservation = hold(caller, "8", "mine").reservation
    assert reservation is not None
    event = caller.event(LATER, "mine", type="tokens", quantity="1")
    ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=[event], as_of=LATER)
    with pytest.raises(EventConflictError):
        commit(caller, reservation.id)
    assert not may_use(caller, "2")


def test_without_limits_a_reservation_holds_nothing_and_is_recorded(tokens: str) -> None:
    caller = caller_on_plan(NOW)
    reservation_id = held(caller, "1000000")
    assert commit(caller, reservation_id).quantity == 1_000_000
    assert caller.events_stored() == 1
    expired = held(caller, seconds=5)
    with pytest.raises(ReservationEndedError):
        commit(caller, expired, as_of=NOW + timedelta(seconds=5))


def test_a_store_that_lost_everything_is_filled_from_the_reservations(caller: Caller) -> None:
    reservation_id = held(caller, "6")
    forget_counters(ledger=caller.ledger, as_of=NOW)
    assert not may_use(caller, "5")
    forget_counters(ledger=caller.ledger, as_of=NOW)
    assert commit(caller, reservation_id, "4").decision.is_allowed
    assert used(caller) == [4]
    assert may_use(caller, "6")


def test_a_quota_that_is_new_since_the_reservation_counts_its_usage(caller: Caller, tokens: str) -> None:
    reservation_id = held(caller, "6")
    plan = UsagePlan.objects.get()
    terms = UsagePlanTerms("Plan", quotas=(quota_of("10", tokens), quota_of("8", tokens, period=Period.DAY)))
    update_usage_plan(usage_plan=plan, terms=terms, actor=OPERATOR, as_of=NOW)
    forget_limits()
    assert may_use(caller, "2")
    commit(caller, reservation_id)
    assert sorted(used(caller)) == [8, 8]
    assert compare_counters(ledgers=[caller.ledger], as_of=LATER).drifts == ()


def test_a_quota_that_is_gone_since_the_reservation_does_no_harm(caller: Caller) -> None:
    reservation_id = held(caller, "6")
    update_usage_plan(usage_plan=UsagePlan.objects.get(), terms=UsagePlanTerms("Plan"), actor=OPERATOR, as_of=NOW)
    forget_limits()
    assert commit(caller, reservation_id, "400").quantity == 400
    assert caller.events_stored() == 1


def test_counters_compared_with_the_ledger_keep_what_is_held(caller: Caller) -> None:
    held(caller, "6")
    key = next(iter(limit_store().stored(caller.ledger, NOW)))
    limit_store().store(caller.ledger, {key: Decimal(9)}, NOW)
    assert len(compare_counters(ledgers=[caller.ledger], as_of=LATER).drifts) == 1
    assert not may_use(caller, "5")
    assert may_use(caller, "4")


def test_reported_usage_beyond_the_quota_leaves_a_reservation_its_own(caller: Caller) -> None:
    reservation_id = held(caller, "6")
    event = caller.event(LATER, type="tokens", quantity="9")
    ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=[event], as_of=LATER)
    assert commit(caller, reservation_id, "6").decision.is_allowed
    assert used(caller) == [15]


def test_test_keys_hold_in_their_own_half_and_see_no_live_reservation(caller: Caller) -> None:
    reservation_id = held(caller, "6")
    stranger = caller_on_plan(NOW)
    with pytest.raises(NotFoundError):
        commit(stranger, reservation_id)
    with pytest.raises(NotFoundError):
        release(stranger, reservation_id)
    with pytest.raises(NotFoundError):
        release(caller, uuid4())


def test_staff_release_a_reservation_once_with_an_audit_entry(caller: Caller) -> None:
    reservation_id = held(caller, "6")
    released = [
        release_by_staff(ledger=caller.ledger, reservation_id=reservation_id, actor=OPERATOR, as_of=LATER)
        for _ in range(2)
    ]
    assert released == [True, False]
    assert AuditEntry.objects.filter(action="reservation.released").count() == 1
    assert may_use(caller, "10")


def test_expired_reservations_are_ended_counted_and_deleted_long_after(caller: Caller) -> None:
    held(caller, "6", seconds=5)
    held(caller, "2", seconds=100)
    assert open_reservations(LATER) == (1, 1, 10)
    assert [end_expired_reservations(ledger=caller.ledger, as_of=LATER) for _ in range(2)] == [1, 0]
    assert delete_ended_reservations(as_of=LATER + timedelta(days=29)) == 0
    assert delete_ended_reservations(as_of=LATER + timedelta(days=31)) == 1
    assert Reservation.objects.count() == 1


def test_a_violation_of_another_rule_is_not_taken_for_a_twin(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservations, "expiry_of", lambda as_of, _: as_of)
    with pytest.raises(IntegrityError, match="reservation_expires_after_creation"):
        hold(caller)


def test_the_counter_of_the_period_holds_what_was_reserved(caller: Caller) -> None:
    reservation = hold(caller, "6").reservation
    assert reservation is not None
    [counter] = limit_store().stored(caller.ledger, NOW)
    quota = next(iter(reservations.policy_in_force(principal=caller.principal, tenant=caller.tenant, as_of=NOW).quotas))
    assert counter == counter_key(quota, NOW, "UTC")
