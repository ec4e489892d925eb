"""Which limits hold for a request, what a request would take of them, and whether they allow it.

A policy is what a tenant's usage plan and its key demand; a claim is what one request takes of it; a standing is what a
store says is left, read in one atomic step; a decision says what that means to the client. Only stores are stateful.
"""

from collections.abc import Mapping
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

# An event may lie this far ahead of our clock, so it may belong to the period after the running one.
EVENT_AHEAD_MAX: Final = timedelta(minutes=5)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Throttle:
    """A rate in requests a second and the most requests at once, for the tenant or for one key."""

    name: str
    scope_id: UUID
    rate: int
    burst: int

    @classmethod
    def within_reach(cls, name: str, scope_id: UUID, rate: int, burst: int) -> "Throttle":
        """Make a throttle; what lies beyond exact arithmetic is cut to a bound that no client reaches."""
        return cls(name, scope_id, min(rate, RATE_MAX), min(burst, BURST_MAX))


@dataclass(frozen=True, slots=True)
class Quota:
    """What may be used of a meter in a period, for the tenant or through one key. A soft one never refuses."""

    name: str
    scope_id: UUID
    meter_id: int
    meter_code: str
    period: Period
    limit: Decimal
    is_hard: bool


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """Every limit that holds at once for a key of a tenant."""

    ledger: Ledger
    throttles: tuple[Throttle, ...] = ()
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterClaim:
    """What a request takes of one quota's counter. A quota is asked only about what the request adds to it."""

    quota: Quota
    key: CounterKey
    amount: Decimal

    def is_refused_at(self, used: Decimal) -> bool:
        """Tell whether the quota refuses the amount on top of what is used."""
        return self.is_refusing and EXACT.add(used, self.amount) > self.quota.limit

    @property
    def is_refusing(self) -> bool:
        """Whether the quota may refuse this claim at all."""
        return self.quota.is_hard and self.amount > 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What one request takes: `cost` tokens of every throttle, and an amount of every quota that its event feeds."""

    ledger: Ledger
    throttles: tuple[Throttle, ...]
    counters: tuple[CounterClaim, ...]
    cost: int
    as_of: datetime

    @property
    def is_free(self) -> bool:
        """Whether nothing limits the request, so that no store needs to be asked."""
        return not self.throttles and not self.counters

    @property
    def keys(self) -> tuple[CounterKey, ...]:
        """The counters that the claim touches."""
        return tuple(counter.key for counter in self.counters)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a store held before the claim, in the claim's order, and whether the store let the whole claim pass."""

    is_allowed: bool
    buckets: tuple[Bucket | None, ...]
    used: tuple[Decimal, ...]


class Refusal(StrEnum):
    """Why a request is refused; the values are the contract's codes."""

    THROTTLED = "throttled"
    QUOTA_EXCEEDED = "quota_exceeded"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the request may pass, and where it stands with each limit afterwards.

    `refusal`, `refused_by` and `wait_microseconds` speak of the limit that has to be waited for the longest.
    """

    is_allowed: bool
    limits: tuple[LimitState, ...] = ()
    refusal: Refusal | None = None
    refused_by: str = ""
    wait_microseconds: int = 0


def microseconds_of(instant: datetime) -> int:
    """Return an instant as buckets keep it: whole microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


def counter_key(quota: Quota, as_of: datetime, time_zone: str) -> CounterKey:
    """Return the counter of a quota in the running period."""
    span = span_of(quota.period, as_of, time_zone)
    return CounterKey(quota.scope_id, quota.meter_id, span.start, span.end)


def counters_for(policy: LimitPolicy, as_of: datetime) -> tuple[CounterKey, ...]:
    """Return every counter that an event arriving now may count in: running ones, and those about to begin."""
    zone = policy.ledger.time_zone
    instants = (as_of, as_of + EVENT_AHEAD_MAX)
    return tuple(dict.fromkeys(counter_key(quota, instant, zone) for quota in policy.quotas for instant in instants))


def running_spans(time_zone: str, as_of: datetime) -> tuple[Span, ...]:
    """Return the spans of every counter that may be in use now."""
    instants = (as_of - EVENT_AHEAD_MAX, as_of, as_of + EVENT_AHEAD_MAX)
    return tuple(dict.fromkeys(span_of(period, instant, time_zone) for period in Period for instant in instants))


def claim_on(policy: LimitPolicy, amounts: Mapping[int, Decimal], as_of: datetime, *, cost: int = 1) -> Claim:
    """Return what a request takes that adds `amounts`, by meter id.

    Counters come in the order in which stores lock them.
    """
    counters = (
        CounterClaim(quota, counter_key(quota, as_of, policy.ledger.time_zone), amounts[quota.meter_id])
        for quota in policy.quotas
        if quota.meter_id in amounts
    )
    return Claim(policy.ledger, policy.throttles, tuple(counters), cost, as_of)


def decide(claim: Claim, standing: Standing, *, is_taken: bool) -> Decision:
    """Say what a store's answer means. Raises AssertionError where the store and this arithmetic disagree."""
    waits: list[tuple[int, Refusal, str]] = []
    for throttle, bucket in zip(claim.throttles, standing.buckets, strict=True):
        tried = take(bucket, throttle.rate, throttle.burst, claim.cost, claim.as_of)
        if not tried.is_allowed:
            waits.append((tried.retry_after_microseconds or 0, Refusal.THROTTLED, throttle.name))
    for counter, used in zip(claim.counters, standing.used, strict=True):
        if counter.is_refused_at(used):
            wait = (counter.key.period_end - claim.as_of) // _MICROSECOND
            waits.append((wait, Refusal.QUOTA_EXCEEDED, counter.quota.name))
    assert standing.is_allowed == (not waits), "a store and the domain agree on what is refused"
    states = limit_states(claim, standing, is_taken=is_taken and standing.is_allowed)
    if not waits:
        return Decision(is_allowed=True, limits=states)
    wait, refusal, name = max(waits)
    return Decision(is_allowed=False, limits=states, refusal=refusal, refused_by=name, wait_microseconds=wait)


def limit_states(claim: Claim, standing: Standing, *, is_taken: bool) -> tuple[LimitState, ...]:
    """Return where the client stands with each limit of the claim, with or without what the claim takes."""
    throttles = (
        _throttle_state(throttle, bucket, claim, claim.cost if is_taken else 0)
        for throttle, bucket in zip(claim.throttles, standing.buckets, strict=True)
    )
    quotas = (
        _quota_state(counter, EXACT.add(used, counter.amount) if is_taken else used)
        for counter, used in zip(claim.counters, standing.used, strict=True)
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
