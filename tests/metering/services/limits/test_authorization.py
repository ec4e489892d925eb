"""Authorise and count, through the services, with either store: what is counted, refused, and how a retry ends."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.conf import settings
from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected

from accounts.domain.api_key import KeyKind
from accounts.errors import StoreUnavailableError
from metering.domain.events import ParsedEvent
from metering.domain.limit_policy import Claim, LimitLevels, LimitRefusal, counter_key
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.errors import EventConflictError
from metering.gateways.limit_stores.chosen import limit_store
from metering.models import UsagePlan
from metering.selectors import limits as selected_limits
from metering.selectors.limits import forget_limits, policy_of_key, tenant_limits
from metering.selectors.steady_clock import steady_instant
from metering.services.limits import authorization
from metering.services.limits.authorization import check_limits
from metering.services.limits.comparison import compare_counters, delete_ended_counters
from metering.services.limits.counting import forget_counters, ingest_and_count
from metering.services.usage_plans import set_period_anchor, update_usage_plan
from metering.services.voids import void_event
from tests.metering.ledger_world import make_meter, make_tenant
from tests.metering.services.limits.conftest import delete_keys
from tests.metering.services.limits.limit_world import OPERATOR, Caller, caller_on_plan, put_on_plan, quota_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]


def test_without_a_plan_nothing_is_limited_and_everything_counted() -> None:
    caller = Caller(make_tenant("free"))
    decision = caller.authorize(NOW).decision
    assert decision.is_allowed
    assert decision.limits == ()
    assert caller.events_stored() == 1


def test_a_quota_allows_its_limit_and_then_refuses_until_the_period_ends() -> None:
    caller = caller_on_plan(NOW, [quota_of("2")])
    assert caller.passes(NOW, 2) == [True, True]
    decision = caller.authorize(NOW).decision
    assert not decision.is_allowed
    assert (decision.refusal, decision.refused_by) == (LimitRefusal.QUOTA_EXCEEDED, "quota")
    assert decision.wait_microseconds == (datetime(2026, 4, 1, tzinfo=UTC) - NOW) // timedelta(microseconds=1)
    assert caller.events_stored() == 2
    assert caller.passes(datetime(2026, 4, 1, tzinfo=UTC)) == [True]


def test_the_result_of_an_authorization_has_limits_and_rests() -> None:
    caller = caller_on_plan(
        NOW, [quota_of("10")], throttle=(5, 20), throttle_rate=1, throttle_burst=2, quota=Decimal(4)
    )
    limits = {state.name: (state.limit, state.remaining) for state in caller.authorize(NOW).decision.limits}
    assert limits == {"throttle": (20, 19), "key-throttle": (2, 1), "quota": (10, 9), "key-quota": (4, 3)}


def test_a_throttle_refuses_a_burst_and_lets_it_pass_later() -> None:
    caller = caller_on_plan(NOW, throttle=(1, 2))
    assert caller.passes(NOW, 3) == [True, True, False]
    assert caller.authorize(NOW).decision.refusal is LimitRefusal.THROTTLED
    assert caller.authorize(NOW).decision.wait_microseconds == 1_000_000
    assert caller.passes(NOW + timedelta(seconds=1), 2) == [True, False]
    assert caller.events_stored() == 3


def test_a_refused_request_is_neither_in_the_ledger_nor_in_the_counters() -> None:
    caller = caller_on_plan(NOW, [quota_of("5"), quota_of("100", "api_bytes", is_hard=True)], throttle=(1, 50))
    assert caller.authorize(NOW, properties={"response_length": 60}).decision.is_allowed
    assert not caller.authorize(NOW, properties={"response_length": 41}).decision.is_allowed
    assert caller.events_stored() == 1
    assert sorted(limit_store().stored(caller.ledger, NOW).values()) == [1, 60]
    assert caller.authorize(NOW, properties={"response_length": 40}).decision.is_allowed


def test_a_soft_quota_lets_the_overage_pass() -> None:
    caller = caller_on_plan(NOW, [quota_of("1", is_hard=False)])
    assert caller.passes(NOW, 3) == [True, True, True]
    assert caller.authorize(NOW).decision.limits[0].remaining == 0


def test_the_same_event_again_is_allowed_and_counted_once() -> None:
    caller = caller_on_plan(NOW, [quota_of("5")], throttle=(1, 50))
    first, second = (caller.authorize(NOW, "same") for _ in range(2))
    assert first.decision.is_allowed
    assert not first.is_duplicate
    assert second.decision.is_allowed
    assert second.is_duplicate
    assert [state.remaining for state in first.decision.limits] == [state.remaining for state in second.decision.limits]
    assert caller.events_stored() == 1


def test_a_retry_is_allowed_also_when_the_quota_was_used_up_meanwhile() -> None:
    caller = caller_on_plan(NOW, [quota_of("1")])
    assert caller.authorize(NOW, "mine").decision.is_allowed
    assert not caller.authorize(NOW, "other").decision.is_allowed
    retry = caller.authorize(NOW, "mine")
    assert retry.decision.is_allowed
    assert retry.is_duplicate
    assert caller.events_stored() == 1


@pytest.mark.parametrize("limit", ["1", "5"])
def test_other_content_under_the_same_id_is_a_conflict_and_takes_nothing(limit: str) -> None:
    caller = caller_on_plan(NOW, [quota_of(limit)])
    caller.authorize(NOW, "same")
    with pytest.raises(EventConflictError):
        caller.authorize(NOW, "same", subject="another")
    assert list(limit_store().stored(caller.ledger, NOW).values()) == [1]


def test_a_check_takes_and_records_nothing() -> None:
    caller = caller_on_plan(NOW, [quota_of("1")], throttle=(1, 1))
    for _ in range(3):
        decision = check_limits(principal=caller.principal, tenant=caller.tenant, event=caller.event(NOW), as_of=NOW)
        assert decision.is_allowed
        assert [state.remaining for state in decision.limits] == [1, 1]
    assert caller.events_stored() == 0
    assert caller.passes(NOW) == [True]
    refused = check_limits(principal=caller.principal, tenant=caller.tenant, event=caller.event(NOW), as_of=NOW)
    assert not refused.is_allowed


def test_days_and_months_are_the_tenants_own() -> None:
    caller = caller_on_plan(NOW, [quota_of("1", period=Period.DAY)], time_zone="Asia/Kolkata")
    before_midnight = datetime(2026, 3, 10, 18, 29, 59, tzinfo=UTC)
    assert caller.passes(before_midnight, 2) == [True, False]
    assert caller.passes(before_midnight + timedelta(seconds=1), 2) == [True, False]


def test_a_week_begins_on_monday_and_a_billing_period_on_the_day_of_its_subscription() -> None:
    weekly = caller_on_plan(NOW, [quota_of("1", period=Period.WEEK)], time_zone="Asia/Kolkata")
    before_monday = datetime(2026, 3, 15, 18, 29, 59, tzinfo=UTC)
    assert weekly.passes(before_monday, 2) == [True, False]
    assert weekly.passes(before_monday + timedelta(seconds=1), 2) == [True, False]
    billed = caller_on_plan(NOW, [quota_of("1", period=Period.BILLING)], anchor_on=date(2025, 12, 31))
    before_31st = datetime(2026, 3, 30, 23, 59, 59, tzinfo=UTC)
    assert billed.passes(before_31st, 2) == [True, False]
    assert billed.passes(before_31st + timedelta(seconds=1), 2) == [True, False]
    refused = billed.authorize(before_31st + timedelta(seconds=1)).decision
    assert (refused.refused_by, refused.limits[0].name) == ("quota-api_requests-billing",) * 2
    assert refused.limits[0].resets_at == datetime(2026, 4, 30, tzinfo=UTC)


def test_the_tightest_of_all_periods_decides_and_is_named() -> None:
    periods = (Period.DAY, Period.WEEK, Period.MONTH, Period.BILLING)
    for tightest in periods:
        quotas = [quota_of("1" if period is tightest else "9", period=period) for period in periods]
        caller = caller_on_plan(NOW, quotas, anchor_on=date(2026, 2, 20))
        assert caller.passes(NOW) == [True]
        refused = caller.authorize(NOW).decision
        expected = "quota" if tightest is Period.MONTH else f"quota-api_requests-{tightest}"
        assert not refused.is_allowed
        assert refused.refused_by == expected


@pytest.mark.parametrize("anchor_on", [None, date(2026, 1, 1)])
def test_a_month_and_an_equal_billing_period_share_a_counter_and_count_once(anchor_on: date | None) -> None:
    quotas = [quota_of("4"), quota_of("3", period=Period.BILLING)]
    caller = caller_on_plan(NOW, quotas, anchor_on=anchor_on)
    assert caller.passes(NOW, 4) == [True, True, True, False]
    limits = caller.authorize(NOW).decision.limits
    assert [(state.name, state.remaining) for state in limits] == [("quota-api_requests-billing", 0), ("quota", 1)]


def test_a_new_subscription_moves_the_billing_period_within_a_second() -> None:
    caller = caller_on_plan(NOW, [quota_of("2", period=Period.BILLING)])
    assert caller.passes(NOW, 3) == [True, True, False]
    set_period_anchor(tenant_id=caller.tenant.id, anchor_on=date(2026, 3, 10))
    assert not caller.authorize(NOW).decision.is_allowed, "the usage of today counts in the new period"
    set_period_anchor(tenant_id=caller.tenant.id, anchor_on=date(2026, 2, 11))
    assert not caller.authorize(NOW).decision.is_allowed
    assert caller.authorize(NOW + timedelta(days=1)).decision.is_allowed, "the next period begins on the 11th"


def test_test_keys_have_the_same_limits_and_their_own_counters() -> None:
    live = caller_on_plan(NOW, [quota_of("1")], throttle=(1, 1))
    test = Caller(live.model, kind=KeyKind.TEST)
    assert live.passes(NOW, 2) == [True, False]
    assert test.passes(NOW, 2) == [True, False]
    assert (live.events_stored(), test.events_stored()) == (1, 1)


def test_keys_share_their_tenants_quota_and_have_their_own() -> None:
    narrow = caller_on_plan(NOW, [quota_of("3")], quota=Decimal(1))
    wide = Caller(narrow.model)
    assert narrow.passes(NOW, 2) == [True, False]
    assert wide.passes(NOW, 3) == [True, True, False]


def test_counters_begin_with_the_usage_in_the_ledger() -> None:
    # Usage that was reported before the first check counts, by tenant and by key.
    caller = caller_on_plan(NOW, [quota_of("5")], quota=Decimal(3))
    other = Caller(caller.model)
    for one, count in ((caller, 2), (other, 1)):
        events = numbered(*(one.event(NOW) for _ in range(count)))
        ingest_and_count(principal=one.principal, tenant=one.tenant, events=events, as_of=NOW)
    limits = {state.name: state.remaining for state in caller.authorize(NOW).decision.limits}
    assert limits == {"quota": 1, "key-quota": 0}


def test_reported_usage_counts_against_running_quotas() -> None:
    caller = caller_on_plan(NOW, [quota_of("5"), quota_of("9", "api_bytes")])
    caller.authorize(NOW)
    batch = numbered(
        caller.event(NOW, timestamp="2026-03-01T00:00:00Z", properties={"response_length": 4}),
        caller.event(NOW, timestamp="2026-02-28T23:59:59Z", properties={"response_length": 4}),
        caller.event(NOW, properties={"response_length": 4}),
    )
    for _ in range(2):
        ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=batch, as_of=NOW)
    limits = {state.name: state.remaining for state in caller.authorize(NOW).decision.limits}
    assert limits == {"quota": 1, "quota-api_bytes-month": 1}


def test_an_event_of_the_next_period_is_counted_there() -> None:
    almost = datetime(2026, 3, 31, 23, 58, tzinfo=UTC)
    april = datetime(2026, 4, 1, tzinfo=UTC)
    caller = caller_on_plan(almost, [quota_of("5")])
    assert caller.passes(april) == [True], "a machine whose clock is ahead has begun April already"
    early = caller.event(almost, timestamp="2026-04-01T00:01:00Z")
    ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=[early], as_of=almost)
    assert caller.authorize(april).decision.limits[0].remaining == 2


def test_a_void_gives_quota_back() -> None:
    caller = caller_on_plan(NOW, [quota_of("1")])
    caller.authorize(NOW, "mistake")
    assert caller.passes(NOW) == [False]
    void_event(ledger=caller.ledger, event_id="mistake", reason="test", voided_by="test", as_of=NOW)
    forget_counters(ledger=caller.ledger, as_of=NOW)
    assert caller.passes(NOW, 2) == [True, False]


def test_a_changed_plan_applies_at_once_and_keeps_the_usage() -> None:
    caller = caller_on_plan(NOW, [quota_of("1")])
    assert caller.passes(NOW, 2) == [True, False]
    usage_plan = UsagePlan.objects.get(assignments__tenant=caller.model)
    update_usage_plan(
        usage_plan=usage_plan, terms=UsagePlanTerms("More", quotas=(quota_of("3"),)), actor=OPERATOR, as_of=NOW
    )
    assert caller.passes(NOW, 3) == [True, True, False]


@pytest.mark.parametrize("is_looked_at_first", [False, True])
def test_a_process_that_learns_late_of_a_quota_has_its_counter_recomputed(is_looked_at_first: bool) -> None:
    caller = caller_on_plan(NOW, [quota_of("9", "api_bytes")])
    caller.authorize(NOW)
    old_plan = tenant_limits(caller.tenant.id)
    put_on_plan(caller.model, NOW, quota_of("5"))
    # Another process knows the new plan, and keeps a counter from here on. Ours still reports by the old plan.
    counter = counter_key(
        policy_of_key(caller.principal, caller.tenant, tenant_limits(caller.tenant.id)).quotas[0], NOW, "UTC"
    )
    limit_store().store(caller.ledger, {counter: Decimal(1)}, NOW)
    selected_limits._by_tenant.keep(caller.tenant.id, old_plan, steady_instant())
    ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=[caller.event(NOW)], as_of=NOW)
    assert limit_store().stored(caller.ledger, NOW)[counter] == 1, "the rig: our report is not in the counter"
    forget_limits()
    if is_looked_at_first:  # by a page of the portal, for example
        tenant_limits(caller.tenant.id)
    assert caller.authorize(NOW).decision.limits[0].remaining == 2


def test_a_drifted_counter_is_found_and_corrected() -> None:
    caller = caller_on_plan(NOW, [quota_of("5"), quota_of("5", period=Period.DAY)])
    caller.authorize(NOW)
    store = limit_store()
    counters = store.stored(caller.ledger, NOW)
    drifted = next(iter(counters))
    store.store(caller.ledger, {drifted: Decimal(4)}, NOW)
    other = replace(caller.ledger, is_live=False)
    comparison = compare_counters(ledgers=[caller.ledger, other], as_of=NOW)
    assert comparison.counters == 2
    [drift] = comparison.drifts
    assert (drift.key, drift.counted, drift.in_ledger) == (drifted, 4, 1)
    assert store.stored(caller.ledger, NOW) == counters
    assert compare_counters(ledgers=[caller.ledger], as_of=NOW).drifts == ()


@pytest.mark.as_owner
def test_a_store_that_lost_everything_is_filled_from_the_ledger() -> None:
    caller = caller_on_plan(NOW, [quota_of("3")], throttle=(1, 50))
    caller.passes(NOW, 2)
    lose_everything(caller)
    assert caller.passes(NOW, 2) == [True, False]


def test_a_meter_that_the_event_does_not_feed_refuses_no_event() -> None:
    make_meter("tokens", "tokens", aggregation="sum")
    caller = caller_on_plan(NOW, [quota_of("0", "tokens")])
    assert caller.passes(NOW) == [True]
    assert not caller.authorize(NOW, type="tokens", quantity="0.5").decision.is_allowed
    assert caller.authorize(NOW, type="tokens", quantity="0").decision.is_allowed


def test_counters_of_ended_periods_are_deleted() -> None:
    caller = caller_on_plan(NOW, [quota_of("3"), quota_of("3", period=Period.DAY)])
    caller.authorize(NOW)
    assert delete_ended_counters(as_of=NOW) == 0
    deleted = delete_ended_counters(as_of=NOW + timedelta(days=2))
    assert deleted == (0 if settings.REDIS_URL else 1)


def test_a_redis_that_does_not_respond_is_a_503_that_counts_nothing(backend: str) -> None:
    caller = caller_on_plan(NOW, [quota_of("3")])
    if backend == "postgres":
        pytest.skip("PostgreSQL being down is the ledger being down")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(StoreUnavailableError) as refusal:
        caller.authorize(NOW)
    assert refusal.value.headers["Retry-After"] == "1"
    assert caller.events_stored() == 0
    result = ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=[caller.event(NOW)], as_of=NOW)
    assert result.accepted == (0,), "usage that is reported is stored all the same"


class FaultyStore:
    """The store of the settings, which raises one fault after another when tokens are taken."""

    def __init__(self, *faults: str) -> None:
        self.faults = list(faults)

    def __getattr__(self, name: str) -> Any:
        return getattr(limit_store(), name)

    def take(self, claim: Claim) -> LimitLevels | None:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "evicted":
            limit_store().forget(claim.ledger, claim.as_of)
        standing = limit_store().take(claim)
        if fault == "deadlock":
            raise OperationalError from DeadlockDetected()
        if fault == "connection lost":
            raise OperationalError
        return standing


def test_a_counter_lost_between_check_and_take_is_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = caller_on_plan(NOW, [quota_of("3")])
    caller.authorize(NOW)
    faulty = FaultyStore("evicted")
    monkeypatch.setattr(authorization, "limit_store", lambda: faulty)
    assert caller.authorize(NOW).decision.limits[0].remaining == 1
    assert caller.events_stored() == 2


def test_a_counter_that_never_stays_is_a_503_that_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = caller_on_plan(NOW, [quota_of("3")])
    faulty = FaultyStore(*["evicted"] * 99)
    monkeypatch.setattr(authorization, "limit_store", lambda: faulty)
    with pytest.raises(StoreUnavailableError):
        caller.authorize(NOW)
    assert caller.events_stored() == 0


def test_a_check_of_a_counter_that_never_stays_is_a_503_too(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = caller_on_plan(NOW, [quota_of("3")])
    monkeypatch.setattr(authorization, "learn", lambda *_: None)
    with pytest.raises(StoreUnavailableError):
        check_limits(principal=caller.principal, tenant=caller.tenant, event=caller.event(NOW), as_of=NOW)


def test_the_cancelled_transaction_of_a_deadlock_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = caller_on_plan(NOW, [quota_of("3")])
    faulty = FaultyStore("deadlock")
    monkeypatch.setattr(authorization, "limit_store", lambda: faulty)
    assert caller.authorize(NOW).decision.limits[0].remaining == 2
    assert caller.events_stored() == 1


def test_a_claim_without_a_commit_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = caller_on_plan(NOW, [quota_of("3")])
    faulty = FaultyStore("connection lost")
    with monkeypatch.context() as patch:
        patch.setattr(authorization, "limit_store", lambda: faulty)
        with pytest.raises(OperationalError):
            caller.authorize(NOW)
    assert caller.events_stored() == 0
    assert caller.authorize(NOW).decision.limits[0].remaining == 2


def numbered(*events: ParsedEvent) -> list[ParsedEvent]:
    return [msgspec.structs.replace(event, index=index) for index, event in enumerate(events)]


def lose_everything(caller: Caller) -> None:
    """Delete what a crash deletes of unlogged tables, and FLUSHALL or an eviction of Redis."""
    if settings.REDIS_URL:
        delete_keys(f"countinghouse:limits:{{{caller.tenant.id.hex}:*")
        return
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM limit_counter WHERE tenant_id = %s", [caller.tenant.id])
        cursor.execute("DELETE FROM limit_bucket WHERE tenant_id = %s", [caller.tenant.id])
