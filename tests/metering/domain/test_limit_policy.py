"""The requests of a policy to its stores, and what their results mean."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from metering.domain.ledger import TENANT_SCOPE, CounterKey, Ledger
from metering.domain.limit_policy import (
    Claim,
    LimitLevels,
    LimitPolicy,
    LimitRefusal,
    Quota,
    Throttle,
    claim_on,
    counters_for,
    decide,
    limit_states,
    microseconds_of,
    running_spans,
)
from metering.domain.limits import BURST_MAX, RATE_MAX, Bucket
from metering.domain.periods import Period

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
KEY = UUID(int=9)
LEDGER = Ledger(UUID(int=1), is_live=True, time_zone="Europe/Berlin", backfill_days=35)
MONTHLY = Quota("quota", TENANT_SCOPE, 1, "api_requests", Period.MONTH, Decimal(10), is_hard=True)
DAILY = replace(MONTHLY, name="quota-api_requests-day", period=Period.DAY)
THROTTLE = Throttle("throttle", TENANT_SCOPE, rate=2, burst=5)
POLICY = LimitPolicy(LEDGER, (THROTTLE,), (MONTHLY,))


def claim(policy: LimitPolicy = POLICY, amount: int = 1, cost: int = 1) -> Claim:
    return claim_on(policy, {1: Decimal(amount)}, NOW, cost=cost)


def bucket(tokens: int, seconds_ago: int = 0) -> Bucket:
    return Bucket(tokens * 1_000_000, microseconds_of(NOW - timedelta(seconds=seconds_ago)))


def test_a_counter_lasts_whole_days_of_the_tenants_zone() -> None:
    weekly = replace(DAILY, period=Period.WEEK)
    billing = replace(MONTHLY, period=Period.BILLING, anchor_on=date(2026, 1, 31))
    policy = LimitPolicy(LEDGER, quotas=(DAILY, MONTHLY, weekly, billing))
    assert counters_for(policy, NOW) == (
        CounterKey(TENANT_SCOPE, 1, datetime(2026, 3, 9, 23, tzinfo=UTC), datetime(2026, 3, 10, 23, tzinfo=UTC)),
        CounterKey(TENANT_SCOPE, 1, datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)),
        CounterKey(TENANT_SCOPE, 1, datetime(2026, 3, 8, 23, tzinfo=UTC), datetime(2026, 3, 15, 23, tzinfo=UTC)),
        CounterKey(TENANT_SCOPE, 1, datetime(2026, 2, 27, 23, tzinfo=UTC), datetime(2026, 3, 30, 22, tzinfo=UTC)),
    )


@pytest.mark.parametrize(("minutes", "counters"), [(6, 1), (5, 2), (1, 2)])
def test_just_before_a_period_ends_the_next_one_is_counted_too(minutes: int, counters: int) -> None:
    as_of = datetime(2026, 3, 31, 22, tzinfo=UTC) - timedelta(minutes=minutes)
    assert len(counters_for(POLICY, as_of)) == counters


def test_the_running_spans_are_those_of_each_period_and_their_neighbours_at_the_edge() -> None:
    assert len(running_spans(LEDGER, NOW)) == 3, "billing periods are calendar months without a subscription"
    assert len(running_spans(LEDGER, datetime(2026, 3, 31, 22, 2, tzinfo=UTC))) == 5
    assert len(running_spans(LEDGER, datetime(2026, 3, 30, 21, 58, tzinfo=UTC))) == 4
    anchored = replace(LEDGER, period_anchor_on=date(2026, 1, 31))
    assert len(running_spans(anchored, NOW)) == 4
    assert len(running_spans(anchored, datetime(2026, 3, 30, 21, 58, tzinfo=UTC))) == 6


def test_a_claim_contains_only_the_quotas_that_the_event_feeds() -> None:
    assert claim_on(POLICY, {2: Decimal(1)}, NOW).counters == ()
    assert [counter.quota for counter in claim().counters] == [MONTHLY]
    assert claim().keys == counters_for(POLICY, NOW)


def test_a_claim_without_limits_is_allowed() -> None:
    assert claim_on(LimitPolicy(LEDGER), {1: Decimal(1)}, NOW).is_free
    assert not claim().is_free
    assert not claim_on(replace(POLICY, throttles=()), {1: Decimal(1)}, NOW).is_free
    assert not claim_on(POLICY, {}, NOW).is_free


@pytest.mark.parametrize(
    ("is_hard", "amount", "used", "is_refused"),
    [
        (True, 1, 9, False),
        (True, 1, 10, True),
        (True, 2, 9, True),
        (True, 0, 99, False),
        (True, -1, 99, False),
        (False, 1, 99, False),
    ],
)
def test_a_quota_refuses_an_event_beyond_its_limit(is_hard: bool, amount: int, used: int, is_refused: bool) -> None:
    policy = LimitPolicy(LEDGER, quotas=(replace(MONTHLY, is_hard=is_hard),))
    [counter] = claim(policy, amount).counters
    assert counter.is_refused_at(Decimal(used)) == is_refused


def test_an_allowed_claim_returns_the_rest_after_it() -> None:
    decision = decide(claim(), LimitLevels(is_allowed=True, buckets=(bucket(3),), used=(Decimal(4),)), is_taken=True)
    assert decision.is_allowed
    throttle, quota = decision.limits
    assert (throttle.limit, throttle.remaining, throttle.window_seconds) == (5, 2, 3)
    assert throttle.resets_at == NOW + timedelta(seconds=1.5)
    assert (quota.limit, quota.remaining, quota.window_seconds) == (10, 5, 31 * 86400 - 3600)
    assert quota.resets_at == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_a_check_returns_the_rest_unchanged() -> None:
    levels = LimitLevels(is_allowed=True, buckets=(None,), used=(Decimal(4),))
    assert [state.remaining for state in decide(claim(), levels, is_taken=False).limits] == [5, 6]
    assert limit_states(claim(), levels, is_taken=False) == decide(claim(), levels, is_taken=False).limits


def test_an_overdrawn_limit_has_zero_left() -> None:
    soft = LimitPolicy(LEDGER, quotas=(replace(MONTHLY, is_hard=False),))
    decision = decide(claim(soft), LimitLevels(is_allowed=True, buckets=(), used=(Decimal(99),)), is_taken=True)
    assert decision.limits[0].remaining == 0


def test_a_refusal_names_the_limit_that_lasts_longest() -> None:
    policy = LimitPolicy(LEDGER, (THROTTLE,), (DAILY, MONTHLY))
    full = LimitLevels(is_allowed=False, buckets=(bucket(0),), used=(Decimal(10), Decimal(10)))
    decision = decide(claim(policy), full, is_taken=True)
    assert (decision.is_allowed, decision.refusal, decision.refused_by) == (False, LimitRefusal.QUOTA_EXCEEDED, "quota")
    assert decision.wait_microseconds == microseconds_of(datetime(2026, 3, 31, 22, tzinfo=UTC)) - microseconds_of(NOW)
    assert [state.remaining for state in decision.limits] == [0, 0, 0]


def test_a_throttled_claim_waits_for_its_tokens() -> None:
    decision = decide(claim(), LimitLevels(is_allowed=False, buckets=(bucket(0),), used=(Decimal(0),)), is_taken=True)
    assert (decision.refusal, decision.refused_by) == (LimitRefusal.THROTTLED, "throttle")
    assert decision.wait_microseconds == 500_000


def test_a_claim_above_the_burst_has_no_time_to_wait_for() -> None:
    decision = decide(
        claim(cost=6), LimitLevels(is_allowed=False, buckets=(bucket(5),), used=(Decimal(0),)), is_taken=True
    )
    assert decision.refusal is LimitRefusal.THROTTLED
    assert decision.wait_microseconds == 0


@pytest.mark.parametrize(("is_allowed", "used"), [(True, 10), (False, 0)])
def test_a_store_that_disagrees_with_the_arithmetic_is_our_mistake(is_allowed: bool, used: int) -> None:
    with pytest.raises(AssertionError, match="agree"):
        decide(claim(), LimitLevels(is_allowed=is_allowed, buckets=(bucket(5),), used=(Decimal(used),)), is_taken=True)


def test_a_throttle_is_cut_to_what_can_be_computed_exactly() -> None:
    assert Throttle.within_reach("t", KEY, 2**31 - 1, 2**31 - 1) == Throttle("t", KEY, RATE_MAX, BURST_MAX)
    assert Throttle.within_reach("t", KEY, 5, 7) == Throttle("t", KEY, 5, 7)
