"""The limits that apply to a request, the amounts that it would take, and whether they allow it.

A policy is the set of limits of a tenant's usage plan and its key; a claim is what one request takes of it; limit
levels are what a store holds, read in one atomic step; a decision is the result for the client. Only stores have state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limits import BURST_MAX, RATE_MAX, Bucket, LimitState, take
from metering.domain.periods import Period, Span, span_of
from metering.domain.quantities import EXACT

# An event's time may be this far ahead of our clock, so it may belong to the period after the current one.
EVENT_AHEAD_MAX: Final = timedelta(minutes=5)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Throttle:
    """A rate in requests a second and a maximum of requests at once, for the tenant or for one key."""

    name: str
    scope_id: UUID
    rate: int
    burst: int

    @classmethod
    def within_reach(cls, name: str, scope_id: UUID, rate: int, burst: int) -> "Throttle":
        """Return a throttle. Values beyond exact arithmetic are reduced to a bound that no client reaches."""
        return cls(name, scope_id, min(rate, RATE_MAX), min(burst, BURST_MAX))


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit on the usage of a meter in a period, for the tenant or for one key. A soft quota never refuses."""

    name: str
    scope_id: UUID
    meter_id: int
    meter_code: str
    period: Period
    limit: Decimal
    is_hard: bool


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """All limits that apply to a key of a tenant."""

    ledger: Ledger
    throttles: tuple[Throttle, ...] = ()
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterClaim:
    """The amount that a request takes of one quota's counter."""

    quota: Quota
    key: CounterKey
    amount: Decimal

    def is_refused_at(self, used: Decimal) -> bool:
        """Return whether the quota refuses the amount on top of what is used."""
        return self.is_refusing and EXACT.add(used, self.amount) > self.quota.limit

    @property
    def is_refusing(self) -> bool:
        """Return whether the quota may refuse this claim at all."""
        return self.quota.is_hard and self.amount > 0


@dataclass(frozen=True, slots=True)
class Claim:
    """The amounts that one request takes: `cost` tokens of each throttle, and an amount of each quota it affects."""

    ledger: Ledger
    throttles: tuple[Throttle, ...]
    counters: tuple[CounterClaim, ...]
    cost: int
    as_of: datetime

    @property
    def is_free(self) -> bool:
        """Return whether nothing limits the request, so that no store needs to be read."""
        return not self.throttles and not self.counters

    @property
    def keys(self) -> tuple[CounterKey, ...]:
        """Return the counters that the claim reads or changes."""
        return tuple(counter.key for counter in self.counters)


@dataclass(frozen=True, slots=True)
class LimitLevels:
    """The state of a store before the claim, in the claim's order, and whether the store allowed the whole claim."""

    is_allowed: bool
    buckets: tuple[Bucket | None, ...]
    used: tuple[Decimal, ...]


class LimitRefusal(StrEnum):
    """The reason why a request is refused; the values are the contract's codes."""

    THROTTLED = "throttled"
    QUOTA_EXCEEDED = "quota_exceeded"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the request may pass, and what is left of each limit afterwards.

    `refusal`, `refused_by` and `wait_microseconds` are those of the limit with the longest wait.
    """

    is_allowed: bool
    limits: tuple[LimitState, ...] = ()
    refusal: LimitRefusal | None = None
    refused_by: str = ""
    wait_microseconds: int = 0


def microseconds_of(instant: datetime) -> int:
    """Return an instant as buckets store it: whole microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


def counter_key(quota: Quota, as_of: datetime, time_zone: str) -> CounterKey:
    """Return the counter of a quota in the current period."""
    span = span_of(quota.period, as_of, time_zone)
    return CounterKey(quota.scope_id, quota.meter_id, span.start, span.end)


def counters_for(policy: LimitPolicy, as_of: datetime) -> tuple[CounterKey, ...]:
    """Return every counter that an event received now may count in: current ones, and those about to begin."""
    zone = policy.ledger.time_zone
    instants = (as_of, as_of + EVENT_AHEAD_MAX)
    return tuple(dict.fromkeys(counter_key(quota, instant, zone) for quota in policy.quotas for instant in instants))


def running_spans(time_zone: str, as_of: datetime) -> tuple[Span, ...]:
    """Return the spans of every counter that may be in use now."""
    instants = (as_of - EVENT_AHEAD_MAX, as_of, as_of + EVENT_AHEAD_MAX)
    return tuple(dict.fromkeys(span_of(period, instant, time_zone) for period in Period for instant in instants))


def claim_on(policy: LimitPolicy, amounts: Mapping[int, Decimal], as_of: datetime, *, cost: int = 1) -> Claim:
    """Return the claim of a request that adds `amounts`, by meter id.

    Counters come in the order in which stores lock them.
    """
    return claim_of(policy, current_counters(policy, as_of), amounts, as_of, cost=cost)


def current_counters(policy: LimitPolicy, as_of: datetime) -> tuple[tuple[Quota, CounterKey], ...]:
    """Return each quota with its counter in the current period."""
    return tuple((quota, counter_key(quota, as_of, policy.ledger.time_zone)) for quota in policy.quotas)


def claim_of(
    policy: LimitPolicy,
    current: Sequence[tuple[Quota, CounterKey]],
    amounts: Mapping[int, Decimal],
    as_of: datetime,
    *,
    cost: int = 1,
) -> Claim:
    """Return the claim of a request that adds `amounts`, if the current counters are known."""
    counters = (
        CounterClaim(quota, key, amounts[quota.meter_id]) for quota, key in current if quota.meter_id in amounts
    )
    return Claim(policy.ledger, policy.throttles, tuple(counters), cost, as_of)


def decide(claim: Claim, levels: LimitLevels, *, is_taken: bool) -> Decision:
    """Return the decision for a claim. Raises AssertionError if the store and this arithmetic disagree."""
    decision = decide_at(claim, levels.buckets, levels.used, is_taken=is_taken)
    assert levels.is_allowed == decision.is_allowed, "a store and the domain agree on what is refused"
    return decision


def decide_at(claim: Claim, buckets: Sequence[Bucket | None], used: Sequence[Decimal], *, is_taken: bool) -> Decision:
    """Return the decision for a claim at these levels, which are in the claim's order."""
    waits: list[tuple[int, LimitRefusal, str]] = []
    for throttle, bucket in zip(claim.throttles, buckets, strict=True):
        tried = take(bucket, throttle.rate, throttle.burst, claim.cost, claim.as_of)
        if not tried.is_allowed:
            waits.append((tried.retry_after_microseconds or 0, LimitRefusal.THROTTLED, throttle.name))
    for counter, quantity in zip(claim.counters, used, strict=True):
        if counter.is_refused_at(quantity):
            wait = (counter.key.period_end - claim.as_of) // _MICROSECOND
            waits.append((wait, LimitRefusal.QUOTA_EXCEEDED, counter.quota.name))
    states = limit_states_at(claim, buckets, used, is_taken=is_taken and not waits)
    if not waits:
        return Decision(is_allowed=True, limits=states)
    wait, refusal, name = max(waits)
    return Decision(is_allowed=False, limits=states, refusal=refusal, refused_by=name, wait_microseconds=wait)


def limit_states(claim: Claim, levels: LimitLevels, *, is_taken: bool) -> tuple[LimitState, ...]:
    """Return the state of each limit of the claim, with or without what the claim takes."""
    return limit_states_at(claim, levels.buckets, levels.used, is_taken=is_taken)


def limit_states_at(
    claim: Claim, buckets: Sequence[Bucket | None], used: Sequence[Decimal], *, is_taken: bool
) -> tuple[LimitState, ...]:
    """Return the same at these levels, which are in the claim's order."""
    throttles = (
        _throttle_state(throttle, bucket, claim, claim.cost if is_taken else 0)
        for throttle, bucket in zip(claim.throttles, buckets, strict=True)
    )
    quotas = (
        _quota_state(counter, EXACT.add(quantity, counter.amount) if is_taken else quantity)
        for counter, quantity in zip(claim.counters, used, strict=True)
    )
    return (*throttles, *quotas)


def _throttle_state(throttle: Throttle, bucket: Bucket | None, claim: Claim, cost: int) -> LimitState:
    after = take(bucket, throttle.rate, throttle.burst, cost, claim.as_of)
    return LimitState(
        name=throttle.name,
        limit=Decimal(throttle.burst),
        remaining=Decimal(after.remaining),
        resets_at=after.full_at,
        window_seconds=-(-throttle.burst // throttle.rate),
    )


def _quota_state(counter: CounterClaim, used: Decimal) -> LimitState:
    return LimitState(
        name=counter.quota.name,
        limit=counter.quota.limit,
        remaining=max(EXACT.subtract(counter.quota.limit, used), Decimal(0)),
        resets_at=counter.key.period_end,
        window_seconds=(counter.key.period_end - counter.key.period_start) // _SECOND,
    )
