"""The arithmetic of a round. That it agrees with SQL is tested by `tests/metering/services/rounds/test_storing.py`."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from metering.domain.ledger import TENANT_SCOPE, CounterKey, Ledger
from metering.domain.limit_policy import Claim, CounterClaim, Quota, Throttle, microseconds_of
from metering.domain.limits import MICRO
from metering.domain.periods import Period
from metering.domain.rounds import RoundLedgers, RoundLimits, quarter_of

NOW = datetime(2026, 3, 10, 12, 44, 59, 999_999, tzinfo=UTC)
LEDGER = Ledger(UUID(int=1), is_live=True, time_zone="UTC", backfill_days=35)
COUNTER = CounterKey(TENANT_SCOPE, 1, datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
QUOTA = Quota("quota", TENANT_SCOPE, 1, "api_requests", Period.MONTH, Decimal(5), is_hard=True)
THROTTLE = Throttle("throttle", TENANT_SCOPE, rate=1, burst=10)


def claim(amount: int) -> Claim:
    return Claim(LEDGER, (THROTTLE,), (CounterClaim(QUOTA, COUNTER, Decimal(amount)),), 1, NOW)


def test_each_request_is_decided_at_what_the_one_before_left() -> None:
    limits = RoundLimits()
    limits.include(1, claim(1))
    assert limits.decide(1, claim(1)) is None, "nothing is known yet"
    limits.learn([(1, Decimal(2))], [(1, 3 * MICRO, microseconds_of(NOW))])

    decisions = [limits.decide(1, claim(amount)) for amount in (2, 2, 1, 0, 0)]

    allowed = [decision is not None and decision.is_allowed for decision in decisions]
    assert allowed == [True, False, True, True, False]
    assert [bucket.micro_tokens for bucket in limits.poured.values()] == [0]
    asked, again = limits.check(1, claim(1)), limits.allow_again(1, claim(1))
    assert asked is not None
    assert again is not None
    assert (asked.is_allowed, again.is_allowed) == (False, True)
    assert [state.remaining for state in again.limits] == [0, 0]


def test_a_half_of_a_ledger_has_one_number_and_one_time_zone() -> None:
    ledgers = RoundLedgers()
    named = [LEDGER, replace(LEDGER, is_live=False), replace(LEDGER), replace(LEDGER, time_zone="Asia/Kolkata")]
    assert [ledgers.number_of(ledger) for ledger in named] == [1, 2, 1, None]


def test_a_quarter_of_an_hour_begins_where_days_may() -> None:
    assert quarter_of(NOW) == datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
