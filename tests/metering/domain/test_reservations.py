"""What a commit takes out of what was held, and how reservations are stored."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metering.domain.ledger import TENANT_SCOPE, CounterKey, Ledger
from metering.domain.limit_policy import Claim, LimitPolicy, Quota, claim_on
from metering.domain.periods import Period
from metering.domain.quantities import EXACT
from metering.domain.reservations import (
    Hold,
    decode_holds,
    decode_properties,
    encode_holds,
    expiry_of,
    freeing,
    holding,
    holds_of,
    settlement_of,
)

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
LEDGER = Ledger(UUID(int=1), is_live=True, time_zone="Europe/Berlin", backfill_days=35)
QUOTA = Quota("quota", TENANT_SCOPE, 1, "tokens", Period.MONTH, Decimal(10), is_hard=True)
AMOUNTS = st.decimals(min_value=0, max_value=10**20, allow_nan=False, allow_infinity=False, places=9)


def claim(amount: Decimal) -> Claim:
    return claim_on(LimitPolicy(LEDGER, (), (QUOTA,)), {1: amount}, NOW)


def held(amount: Decimal) -> tuple[Hold, ...]:
    return holds_of(holding(claim(amount), NOW + timedelta(seconds=60)))


@pytest.mark.parametrize(
    ("seconds", "microsecond", "expected"),
    [(1, 0, 1), (1, 1, 2), (300, 999_999, 301), (3600, 0, 3600)],
)
def test_an_expiry_is_a_whole_second_not_before_its_time(seconds: int, microsecond: int, expected: int) -> None:
    assert expiry_of(NOW + timedelta(microseconds=microsecond), seconds) == NOW + timedelta(seconds=expected)


@example(Decimal("10000000000000000000.000000001"), Decimal(0))
@given(AMOUNTS, AMOUNTS)
def test_a_commit_moves_what_was_held_to_what_is_used_and_claims_only_the_excess(one: Decimal, used: Decimal) -> None:
    for frees_rest in (True, False):
        settlement = settlement_of(claim(used), held(one), {1: used}, NOW, frees_rest=frees_rest)
        [counter] = settlement.claim.counters
        assert EXACT.subtract(counter.amount, counter.held) == used
        assert counter.is_refusing == (used > one)
        rest = reduce(EXACT.add, (hold.amount for hold in settlement.rest), Decimal(0))
        # What was held is now used, free, or still held.
        assert EXACT.add(EXACT.minus(counter.held), rest) == one
        assert rest == (Decimal(0) if frees_rest else max(EXACT.subtract(one, used), Decimal(0)))
        sum_after = EXACT.add(one, counter.amount)
        assert sum_after == (used if frees_rest else max(one, used))


def test_a_counter_that_only_the_reserving_key_has_counts_and_refuses_nothing() -> None:
    of_key = Hold(UUID(int=9), 1, NOW, NOW + timedelta(days=1), Decimal(1))
    of_gone_meter = Hold(UUID(int=9), 2, NOW, NOW + timedelta(days=1), Decimal(4))
    settlement = settlement_of(claim(Decimal(3)), (of_key, of_gone_meter), {1: Decimal(3)}, NOW, frees_rest=True)
    tenants, keys, gone = settlement.claim.counters
    assert (tenants.amount, tenants.held, tenants.is_refusing) == (3, 0, True)
    assert (keys.amount, keys.held, keys.is_refusing) == (2, -1, False)
    assert (gone.amount, gone.held, gone.is_refusing) == (-4, -4, False)


def test_freeing_takes_back_all_that_is_held_and_uses_nothing() -> None:
    [counter] = freeing(LEDGER, held(Decimal("2.5")), NOW).counters
    assert (counter.amount, counter.held, counter.is_refusing) == (Decimal("-2.5"), Decimal("-2.5"), False)


@given(AMOUNTS)
def test_holds_are_stored_with_every_digit(amount: Decimal) -> None:
    [hold] = decode_holds(encode_holds(held(amount)))
    assert hold.amount == amount
    start, end = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert hold.key == CounterKey(TENANT_SCOPE, 1, start, end)


def test_properties_are_read_back_exactly() -> None:
    assert decode_properties('{"a":1,"b":1.25,"c":"x","d":null,"e":true}') == {
        "a": 1,
        "b": Decimal("1.25"),
        "c": "x",
        "d": None,
        "e": True,
    }
