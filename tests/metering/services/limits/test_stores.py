"""One suite for both stores: what a claim takes, what it does not, and that both count as the pure arithmetic does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.domain.ledger import TENANT_SCOPE, Ledger
from metering.domain.limit_policy import Claim, LimitPolicy, Quota, Throttle, claim_on, counter_key, decide
from metering.domain.limits import take
from metering.domain.periods import Period
from metering.gateways.limit_stores.protocol import LimitStore
from metering.gateways.limit_stores.redis import amount_text, used_from, used_text

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
METER = 7
OTHER_METER = 8
WIDE = Context(prec=100)


def quota(
    limit: str,
    *,
    is_hard: bool = True,
    meter_id: int = METER,
    scope_id: UUID = TENANT_SCOPE,
    period: Period = Period.MONTH,
) -> Quota:
    return Quota(f"quota-{meter_id}-{period}", scope_id, meter_id, f"meter-{meter_id}", period, Decimal(limit), is_hard)


def throttle(rate: int, burst: int, scope_id: UUID = TENANT_SCOPE) -> Throttle:
    return Throttle("throttle" if scope_id == TENANT_SCOPE else "key-throttle", scope_id, rate, burst)


def claim(ledger: Ledger, *limits: Quota | Throttle, amount: str = "1", as_of: datetime = NOW, cost: int = 1) -> Claim:
    policy = LimitPolicy(
        ledger,
        throttles=tuple(limit for limit in limits if isinstance(limit, Throttle)),
        quotas=tuple(limit for limit in limits if isinstance(limit, Quota)),
    )
    return claim_on(policy, {METER: Decimal(amount), OTHER_METER: Decimal(amount)}, as_of, cost=cost)


def know(store: LimitStore, claim: Claim, used: str = "0") -> None:
    store.store(claim.ledger, dict.fromkeys(claim.keys, Decimal(used)), claim.as_of)
    store.fill_buckets(claim.ledger, claim.throttles, claim.as_of)


def is_allowed(store: LimitStore, claim: Claim) -> bool:
    standing = store.take(claim)
    assert standing is not None, "the store knows every counter"
    return decide(claim, standing, is_taken=True).is_allowed


def test_a_hard_quota_allows_exactly_its_limit(store: LimitStore, ledger: Ledger) -> None:
    asked = claim(ledger, quota("3"))
    know(store, asked)
    assert [is_allowed(store, asked) for _ in range(5)] == [True, True, True, False, False]
    assert store.stored(ledger, NOW) == {asked.keys[0]: 3}


def test_a_soft_quota_counts_on_and_never_refuses(store: LimitStore, ledger: Ledger) -> None:
    asked = claim(ledger, quota("1", is_hard=False), amount="5")
    know(store, asked)
    assert is_allowed(store, asked)
    standing = store.take(asked)
    assert standing is not None
    assert standing.used == (5,)
    decision = decide(asked, standing, is_taken=True)
    assert decision.is_allowed
    assert decision.limits[0].remaining == 0


def test_a_refused_claim_takes_nothing_of_any_limit(store: LimitStore, ledger: Ledger) -> None:
    key = uuid4()
    limits = (throttle(1, 5), throttle(1, 5, key), quota("100"), quota("0", meter_id=OTHER_METER))
    refused = claim(ledger, *limits)
    know(store, refused)
    before = store.peek(refused)
    assert not is_allowed(store, refused)
    assert store.peek(refused) == before
    assert store.stored(ledger, NOW) == dict.fromkeys(refused.keys, Decimal(0))
    assert [is_allowed(store, claim(ledger, *limits[:3])) for _ in range(6)] == [True] * 5 + [False]


def test_a_throttled_claim_counts_nothing_to_a_quota(store: LimitStore, ledger: Ledger) -> None:
    asked = claim(ledger, throttle(1, 1), quota("100"))
    know(store, asked)
    assert is_allowed(store, asked)
    assert not is_allowed(store, asked)
    assert store.stored(ledger, NOW) == {asked.keys[0]: 1}


def test_the_throttles_of_tenant_and_key_both_hold(store: LimitStore, ledger: Ledger) -> None:
    narrow, wide = uuid4(), uuid4()
    of_narrow = claim(ledger, throttle(1, 4), throttle(1, 1, narrow))
    of_wide = claim(ledger, throttle(1, 4), throttle(1, 9, wide))
    know(store, of_narrow)
    know(store, of_wide)
    assert [is_allowed(store, of_narrow) for _ in range(2)] == [True, False]
    assert [is_allowed(store, of_wide) for _ in range(4)] == [True, True, True, False]


def test_the_quotas_of_tenant_and_key_both_hold(store: LimitStore, ledger: Ledger) -> None:
    of_key = claim(ledger, quota("10"), quota("2", scope_id=uuid4()))
    of_tenant = claim(ledger, quota("10"))
    know(store, of_key)
    assert [is_allowed(store, of_key) for _ in range(3)] == [True, True, False]
    assert [is_allowed(store, of_tenant) for _ in range(9)] == [True] * 8 + [False]


def test_an_unknown_counter_is_not_zero(store: LimitStore, ledger: Ledger) -> None:
    asked = claim(ledger, throttle(1, 1), quota("3"))
    store.fill_buckets(ledger, asked.throttles, NOW)
    assert store.peek(asked) is None
    assert store.take(asked) is None
    know(store, asked)
    assert is_allowed(store, asked), "the token was not taken by the claim that could not be answered"


def test_a_forgotten_counter_is_unknown(store: LimitStore, ledger: Ledger) -> None:
    other_half = replace(ledger, is_live=False)
    asked = claim(ledger, quota("3"), quota("3", period=Period.DAY))
    in_other_half = claim(other_half, quota("3"))
    know(store, asked)
    know(store, in_other_half, "1")
    store.forget(ledger, NOW)
    assert store.peek(asked) is None
    assert store.stored(ledger, NOW) == {}
    assert store.stored(other_half, NOW) == {in_other_half.keys[0]: 1}


def test_a_check_takes_nothing_from_the_store(store: LimitStore, ledger: Ledger) -> None:
    asked = claim(ledger, throttle(1, 1), quota("1"))
    know(store, asked)
    looks = [store.peek(asked) for _ in range(3)]
    assert all(look is not None and look.is_allowed for look in looks)
    assert is_allowed(store, asked)
    look = store.peek(asked)
    assert look is not None
    assert not look.is_allowed


def test_tenants_and_halves_of_the_ledger_do_not_share_limits(store: LimitStore, ledger: Ledger) -> None:
    for one in (ledger, replace(ledger, is_live=False), replace(ledger, tenant_id=uuid4())):
        asked = claim(one, throttle(1, 1), quota("1"))
        know(store, asked)
        assert [is_allowed(store, asked) for _ in range(2)] == [True, False]


def test_quantities_keep_every_digit(store: LimitStore, ledger: Ledger) -> None:
    tiny, huge = "0." + "0" * 29 + "1", "9" * 20 + "." + "9" * 9
    soft = quota("1", is_hard=False)
    know(store, claim(ledger, soft), huge)
    assert is_allowed(store, claim(ledger, soft, amount=huge))
    assert is_allowed(store, claim(ledger, soft, amount=tiny))
    assert store.stored(ledger, NOW) == {claim(ledger, soft).keys[0]: Decimal(f"1{'9' * 20}.{'9' * 8}8{'0' * 20}1")}


def test_a_quota_is_used_up_to_the_last_fraction(store: LimitStore, ledger: Ledger) -> None:
    asked = claim(ledger, quota("1"), amount="0.000000001")
    know(store, asked, "0.999999999")
    assert [is_allowed(store, asked) for _ in range(2)] == [True, False]


def test_an_event_of_zero_or_less_passes_a_used_up_quota(store: LimitStore, ledger: Ledger) -> None:
    know(store, claim(ledger, quota("1")), "5")
    assert is_allowed(store, claim(ledger, quota("1"), amount="0"))
    assert not is_allowed(store, claim(ledger, quota("1")))
    assert is_allowed(store, claim(ledger, quota("1"), amount="-4.5"))
    assert store.stored(ledger, NOW) == {claim(ledger, quota("1")).keys[0]: Decimal("0.5")}


def test_a_counter_may_fall_below_zero_and_come_back(store: LimitStore, ledger: Ledger) -> None:
    know(store, claim(ledger, quota("1")))
    assert is_allowed(store, claim(ledger, quota("1"), amount="-2"))
    assert [is_allowed(store, claim(ledger, quota("1"))) for _ in range(4)] == [True, True, True, False]


def test_days_and_months_of_the_tenants_zone_are_counted_apart(store: LimitStore, ledger: Ledger) -> None:
    before_midnight = datetime(2026, 3, 10, 22, 59, 59, tzinfo=UTC)
    after_midnight = datetime(2026, 3, 10, 23, 0, tzinfo=UTC)
    limits = (quota("1", period=Period.DAY), quota("2"))
    today, tomorrow = (claim(ledger, *limits, as_of=as_of) for as_of in (before_midnight, after_midnight))
    know(store, today)
    know(store, tomorrow)
    assert [is_allowed(store, today) for _ in range(2)] == [True, False]
    assert [is_allowed(store, tomorrow) for _ in range(2)] == [True, False]
    assert store.stored(ledger, after_midnight)[counter_key(limits[1], after_midnight, ledger.time_zone)] == 2


def test_a_clock_that_went_back_refills_no_bucket(store: LimitStore, ledger: Ledger) -> None:
    asked = claim(ledger, throttle(1, 1))
    know(store, asked)
    assert is_allowed(store, asked)
    assert not is_allowed(store, msgspec.structs.replace(asked, as_of=NOW - timedelta(hours=1)))
    assert not is_allowed(store, msgspec.structs.replace(asked, as_of=NOW + timedelta(microseconds=999_999)))
    assert is_allowed(store, msgspec.structs.replace(asked, as_of=NOW + timedelta(seconds=1)))


STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 5), st.integers(0, 3_000_000), st.integers(0, 10**12)),  # microseconds that pass
        st.integers(0, 12),  # cost
        st.one_of(st.integers(1, 20), st.integers(1, 1_000_000)),  # rate
        st.one_of(st.integers(1, 10), st.integers(1, 1_000_000_000)),  # burst
    ),
    min_size=1,
    max_size=12,
)


@given(STEPS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_buckets_fill_and_empty_as_the_pure_arithmetic_says(
    store: LimitStore, ledger: Ledger, steps: list[tuple[int, int, int, int]]
) -> None:
    ledger, as_of = replace(ledger, tenant_id=uuid4()), NOW
    first = claim(ledger, throttle(*steps[0][2:]), cost=0)
    know(store, first)
    assert is_allowed(store, first)
    model = take(None, *steps[0][2:], 0, NOW).bucket
    for microseconds, cost, rate, burst in steps:
        as_of += timedelta(microseconds=microseconds)
        asked = claim(ledger, throttle(rate, burst), as_of=as_of, cost=cost)
        expected = take(model, rate, burst, cost, as_of)
        standing = store.take(asked)
        assert standing is not None
        assert standing.is_allowed == expected.is_allowed
        state = decide(asked, standing, is_taken=True).limits[0]
        assert (state.remaining, state.resets_at) == (expected.remaining, expected.full_at)
        # A refusal stores nothing, not even the refill, which the next claim computes again.
        model = expected.bucket if expected.is_allowed else model


QUANTITIES = st.decimals(
    min_value=-(10**20), max_value=10**20, allow_nan=False, allow_infinity=False, places=9
) | st.decimals(min_value=-1, max_value=1, places=30)


@given(st.lists(QUANTITIES, min_size=1, max_size=12), QUANTITIES)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_sums_are_exact_and_compared_exactly(
    store: LimitStore, ledger: Ledger, amounts: list[Decimal], limit: Decimal
) -> None:
    ledger, used = replace(ledger, tenant_id=uuid4()), Decimal(0)
    know(store, claim(ledger, quota("0")))
    for amount in amounts:
        asked = claim(ledger, quota(str(limit)), amount=str(amount))
        is_expected = amount <= 0 or exact(used, amount) <= limit
        assert is_allowed(store, asked) == is_expected
        used = exact(used, amount) if is_expected else used
        assert store.stored(ledger, NOW)[asked.keys[0]] == used


def exact(one: Decimal, other: Decimal) -> Decimal:
    return Decimal(int(one.scaleb(30, WIDE)) + int(other.scaleb(30, WIDE))).scaleb(-30, WIDE)


@given(QUANTITIES, QUANTITIES)
def test_texts_of_quantities_compare_as_the_quantities_do(one: Decimal, other: Decimal) -> None:
    assert used_from(used_text(one)) == one
    assert (used_text(one) < used_text(other)) == (one < other)
    assert len(used_text(one)) == len(amount_text(other)) == 70


def test_a_quantity_that_no_text_can_hold_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        used_text(Decimal(10) ** 40)
    with pytest.raises(AssertionError):
        used_text(Decimal(10) ** -31)
