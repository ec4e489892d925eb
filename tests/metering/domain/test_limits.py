"""The token bucket and its headers: the worked examples of docs/algorithms/limits.md, and its invariants."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.limits import (
    BURST_MAX,
    MICRO,
    RATE_MAX,
    Bucket,
    LimitState,
    rate_limit_header,
    rate_limit_policy_header,
    retry_after,
    seconds_until,
    take,
)
from tests.algorithm_pages import rows_below

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RATES = st.integers(1, 20) | st.integers(1, RATE_MAX)
BURSTS = st.integers(1, 20) | st.integers(1, BURST_MAX)
STEPS = st.lists(st.tuples(st.integers(0, 3 * MICRO), st.integers(0, 5)), max_size=30)
MICROSECOND = timedelta(microseconds=1)


def test_the_token_bucket_is_as_documented() -> None:
    bucket: Bucket | None = None
    for at, allowed, tokens, wait in rows_below("limits", "at", "allowed", "tokens", "wait"):
        taken = take(bucket, 2, 5, 1, NOON + timedelta(milliseconds=int(at)))
        assert taken.is_allowed == (allowed == "yes")
        assert taken.bucket.micro_tokens == Decimal(tokens) * MICRO
        assert taken.retry_after_microseconds == int(wait) * 1000
        assert taken.remaining == int(Decimal(tokens))
        bucket = taken.bucket


def test_rate_limit_headers_are_as_documented() -> None:
    columns = ("name", "limit", "remaining", "seconds to reset", "window", "RateLimit-Policy", "RateLimit")
    for name, limit, remaining, seconds, window, policy, header in rows_below("limits", *columns):
        resets_at = NOON + timedelta(seconds=float(seconds))
        state = LimitState(name, Decimal(limit), Decimal(remaining), resets_at, int(window))
        assert rate_limit_policy_header([state]) == policy
        assert rate_limit_header([state], NOON) == header


@given(rate=RATES, burst=BURSTS, steps=STEPS)
def test_no_more_is_taken_than_burst_and_rate_allow(rate: int, burst: int, steps: list[tuple[int, int]]) -> None:
    bucket, now, taken_in_all = None, NOON, 0
    for pause, cost in steps:
        now += pause * MICROSECOND
        outcome = take(bucket, rate, burst, cost, now)
        bucket = outcome.bucket
        taken_in_all += cost if outcome.is_allowed else 0
        assert 0 <= bucket.micro_tokens <= burst * MICRO
        assert taken_in_all * MICRO <= burst * MICRO + rate * ((now - NOON) // MICROSECOND)


@given(rate=RATES, burst=BURSTS, first=st.integers(0, 20), cost=st.integers(1, 20), pause=st.integers(0, 10 * MICRO))
def test_a_refused_client_is_allowed_exactly_after_the_wait_it_was_given(
    rate: int, burst: int, first: int, cost: int, pause: int
) -> None:
    bucket = take(None, rate, burst, min(first, burst), NOON).bucket
    now = NOON + pause * MICROSECOND
    outcome = take(bucket, rate, burst, cost, now)
    wait = outcome.retry_after_microseconds
    if outcome.is_allowed:
        assert wait == 0
    elif wait is None:
        assert cost > burst
    else:
        assert take(outcome.bucket, rate, burst, cost, now + wait * MICROSECOND).is_allowed
        assert not take(outcome.bucket, rate, burst, cost, now + (wait - 1) * MICROSECOND).is_allowed


@given(rate=RATES, burst=BURSTS, cost=st.integers(0, 20), pauses=st.lists(st.integers(0, 10**12), max_size=5))
def test_a_check_in_between_changes_nothing(rate: int, burst: int, cost: int, pauses: list[int]) -> None:
    started = take(None, rate, burst, min(cost, burst), NOON).bucket
    asked, now = started, NOON
    for pause in pauses:
        now += pause * MICROSECOND
        asked = take(asked, rate, burst, 0, now).bucket
    assert asked == take(started, rate, burst, 0, now).bucket


@given(rate=RATES, burst=BURSTS, cost=st.integers(0, 20))
def test_a_bucket_is_full_at_its_reset_time(rate: int, burst: int, cost: int) -> None:
    outcome = take(None, rate, burst, cost, NOON)
    full = take(outcome.bucket, rate, burst, 0, outcome.full_at)
    assert full.bucket.micro_tokens == burst * MICRO
    if outcome.full_at > NOON:
        assert take(outcome.bucket, rate, burst, 0, outcome.full_at - MICROSECOND).bucket.micro_tokens < burst * MICRO


def test_a_clock_that_went_back_adds_no_tokens() -> None:
    empty = take(None, 10, 10, 10, NOON).bucket
    earlier = take(empty, 10, 10, 1, NOON - timedelta(hours=1))
    assert not earlier.is_allowed
    assert earlier.bucket == empty
    assert not take(earlier.bucket, 10, 10, 1, NOON + timedelta(milliseconds=99)).is_allowed
    assert take(earlier.bucket, 10, 10, 1, NOON + timedelta(milliseconds=100)).is_allowed


def test_a_burst_that_was_lowered_takes_the_surplus_away() -> None:
    assert take(Bucket(100 * MICRO, 0), 1, 5, 0, NOON).bucket.micro_tokens == 5 * MICRO


def test_a_cost_above_the_burst_is_never_allowed() -> None:
    assert take(None, 1, 5, 6, NOON).retry_after_microseconds is None


def test_every_number_fits_what_lua_holds_exactly() -> None:
    bucket = Bucket(0, 0)
    for rate in (1, RATE_MAX):
        assert take(bucket, rate, BURST_MAX, 0, NOON).bucket.micro_tokens == min(
            BURST_MAX * MICRO, rate * ((NOON - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND)
        )
    assert BURST_MAX * MICRO + RATE_MAX < 2**53


@pytest.mark.parametrize(
    ("microseconds", "seconds"), [(0, "1"), (1, "1"), (1_000_000, "1"), (1_000_001, "2"), (59_000_001, "60")]
)
def test_retry_after_rounds_up_to_a_second(microseconds: int, seconds: str) -> None:
    assert retry_after(microseconds) == seconds


@given(microseconds=st.integers(-(10**12), 10**12))
def test_seconds_until_an_instant_are_rounded_up_to_it(microseconds: int) -> None:
    seconds = seconds_until(NOON + microseconds * MICROSECOND, NOON)
    assert seconds == max(-(-microseconds // MICRO), 0)


def test_several_limits_are_in_one_header_and_names_are_escaped() -> None:
    states = [
        LimitState('a"\\é', Decimal(10**20), Decimal("1.5"), NOON, 1),
        LimitState("quota", Decimal("0.5"), Decimal("0.5"), NOON + timedelta(days=1), 86400),
    ]
    assert rate_limit_policy_header(states) == '"a\\"\\\\?";q=999999999999999;w=1, "quota";q=0;w=86400'
    assert rate_limit_header(states, NOON) == '"a\\"\\\\?";r=1;t=0, "quota";r=0;t=86400'
    assert rate_limit_header([], NOON) == ""
