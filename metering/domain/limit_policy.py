"""The limits that apply to a request, the amounts that it would take, and whether they allow it.

A policy is the set of limits of a tenant's usage plan and its key; a claim is what one request takes of it; limit
levels are what a store holds, read in one atomic step; a decision is the result for the client. Only stores have state.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_scopes import SUBJECTS_SCOPE, event_type_scope, subject_scope
from metering.domain.limits import BURST_MAX, RATE_MAX, Bucket, LimitState, take
from metering.domain.periods import Period, Span, span_of
from metering.domain.quantities import EXACT

# An event's time may be this far ahead of our clock, so it may belong to the period after the current one.
EVENT_AHEAD_MAX: Final = timedelta(minutes=5)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)


class LimitRefusal(StrEnum):
    """The reason why a request is refused; the values are the contract's codes."""

    THROTTLED = "throttled"
    QUOTA_EXCEEDED = "quota_exceeded"
    BUDGET_EXCEEDED = "budget_exceeded"


@dataclass(frozen=True, slots=True)
class Throttle:
    """A rate in requests a second and a maximum of requests at once: for the tenant, for one key, or for one subject.

    With an `event_type` only requests of this type count.
    """

    name: str
    scope_id: UUID
    rate: int
    burst: int
    event_type: str | None = None

    @classmethod
    def within_reach(
        cls, name: str, scope_id: UUID, rate: int, burst: int, event_type: str | None = None
    ) -> "Throttle":
        """Return a throttle. Values beyond exact arithmetic are reduced to a bound that no client reaches."""
        return cls(name, scope_id, min(rate, RATE_MAX), min(burst, BURST_MAX), event_type)

    @property
    def about(self) -> str:
        """Return which requests count, as in "each subject, http_request"; empty: all of them."""
        of_subject = "each subject" if self.scope_id == SUBJECTS_SCOPE else ""
        return ", ".join(part for part in (of_subject, self.event_type) if part)

    def of_event(self, subject: str | None, event_type: str) -> "Throttle | None":
        """Return the throttle of the event's subject and type; None if it is not about the event."""
        if self.event_type not in (None, event_type):
            return None
        scope_id = self.scope_id
        if scope_id == SUBJECTS_SCOPE:
            if not subject:
                return None
            scope_id = subject_scope(subject)
        return replace(self, scope_id=event_type_scope(scope_id, self.event_type) if self.event_type else scope_id)


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit on the usage of a meter in a period: for the tenant, for one key, or for one subject.

    A soft quota never refuses. Billing periods are months from `anchor_on`. In a policy, a quota of each subject has
    the scope of all of them; in a claim it has the scope of one. A budget may name one subject from the start
    (`names_subject`): then no other's usage is counted for it.
    """

    name: str
    scope_id: UUID
    meter_id: int
    meter_code: str
    period: Period
    limit: Decimal
    is_hard: bool
    anchor_on: date | None = None
    subject: str | None = None
    refusal: LimitRefusal = LimitRefusal.QUOTA_EXCEEDED
    names_subject: bool = False

    @property
    def is_of_each_subject(self) -> bool:
        """Return whether the subject is not known yet."""
        return self.scope_id == SUBJECTS_SCOPE

    def of_subject(self, subject: str) -> "Quota":
        """Return the quota of one subject."""
        return replace(self, scope_id=subject_scope(subject), subject=subject)

    def of_subjects(self, subjects: Collection[str]) -> Iterator["Quota"]:
        """Yield the quota of each of these subjects that it counts; a quota of no subject yields itself."""
        if self.is_of_each_subject:
            yield from (self.of_subject(subject) for subject in subjects)
        elif self.subject is None or self.subject in subjects:
            yield self


@dataclass(frozen=True, slots=True)
class Stop:
    """Requests of a scope are refused until an instant, whatever they would take: a budget in money is exceeded."""

    name: str
    scope_id: UUID
    until: datetime
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """All limits that apply to a key of a tenant, and whether requests are allowed while their store is down."""

    ledger: Ledger
    throttles: tuple[Throttle, ...] = ()
    quotas: tuple[Quota, ...] = ()
    allows_in_outage: bool = False
    stops: tuple[Stop, ...] = ()

    @property
    def depends_on_event(self) -> bool:
        """Return whether the limits of a request depend on its subject or type."""
        return (
            self.counts_subjects
            or any(
                throttle.event_type is not None or throttle.scope_id == SUBJECTS_SCOPE for throttle in self.throttles
            )
            or any(stop.subject is not None for stop in self.stops)
        )

    @property
    def counts_subjects(self) -> bool:
        """Return whether a quota counts the usage of each subject, or of one."""
        return any(quota.is_of_each_subject or quota.subject is not None for quota in self.quotas)

    def of_event(self, subject: str | None, event_type: str) -> "LimitPolicy":
        """Return the limits of a request with this subject and type. A request without a subject has none of them."""
        if not self.depends_on_event:
            return self
        throttles = (throttle.of_event(subject, event_type) for throttle in self.throttles)
        return replace(
            self,
            throttles=tuple(throttle for throttle in throttles if throttle is not None),
            quotas=self._quotas_of([subject]),
            stops=tuple(stop for stop in self.stops if stop.subject in (None, subject)),
        )

    def of_subjects(self, subjects: Iterable[str | None]) -> "LimitPolicy":
        """Return the quotas that count the usage of these subjects."""
        if not self.counts_subjects:
            return self
        return replace(self, quotas=self._quotas_of(dict.fromkeys(subjects)))

    def _quotas_of(self, subjects: Iterable[str | None]) -> tuple[Quota, ...]:
        named = [subject for subject in subjects if subject]
        return tuple(one for quota in self.quotas for one in quota.of_subjects(named))


class CounterClaim(msgspec.Struct, frozen=True):
    """The amount that a request takes of one quota's counter. `held` is the part of it that is held and not used.

    A commit moves what was held to what is used: it takes nothing, and a negative amount of what is held.
    """

    quota: Quota
    key: CounterKey
    amount: Decimal
    held: Decimal = Decimal(0)

    def is_refused_at(self, used: Decimal) -> bool:
        """Return whether the quota refuses the amount on top of what is used."""
        return self.is_refusing and EXACT.add(used, self.amount) > self.quota.limit

    @property
    def is_refusing(self) -> bool:
        """Return whether the quota may refuse this claim at all."""
        return self.quota.is_hard and self.amount > 0


class Claim(msgspec.Struct, frozen=True):
    """The amounts that one request takes: `cost` tokens of each throttle, and an amount of each quota it affects.

    `held_until` is when what the claim holds expires.
    """

    ledger: Ledger
    throttles: tuple[Throttle, ...]
    counters: tuple[CounterClaim, ...]
    cost: int
    as_of: datetime
    held_until: datetime | None = None
    allows_in_outage: bool = False
    stops: tuple[Stop, ...] = ()

    @property
    def is_free(self) -> bool:
        """Return whether nothing limits the request, so that it is allowed without a look."""
        return not self.asks_store and not self.stops

    @property
    def asks_store(self) -> bool:
        """Return whether a store of limits has to be read."""
        return bool(self.throttles or self.counters)

    @property
    def keys(self) -> tuple[CounterKey, ...]:
        """Return the counters that the claim reads or changes."""
        return tuple(counter.key for counter in self.counters)


@dataclass(frozen=True, slots=True)
class LimitLevels:
    """The state of a store before the claim, in the claim's order, and whether the store allowed the whole claim.

    `used` is what is used and held together. Without `is_checked` the store did not respond, and the plan allows that.
    """

    is_allowed: bool
    buckets: tuple[Bucket | None, ...]
    used: tuple[Decimal, ...]
    is_checked: bool = True


class Decision(msgspec.Struct, frozen=True):
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
    span = span_of(quota.period, as_of, time_zone, quota.anchor_on)
    return CounterKey(quota.scope_id, quota.meter_id, span.start, span.end, quota.subject)


def marker_of(key: CounterKey) -> CounterKey:
    """Return the counter that marks in a store that none is missing of the meter's subjects in the period."""
    return CounterKey(SUBJECTS_SCOPE, key.meter_id, key.period_start, key.period_end)


def subject_counter(marker: CounterKey, subject: str) -> CounterKey:
    """Return the counter of a subject in the marker's meter and period."""
    return replace(marker, scope_id=subject_scope(subject), subject=subject)


def counters_for(policy: LimitPolicy, as_of: datetime) -> tuple[CounterKey, ...]:
    """Return every counter that an event received now may count in: current ones, and those about to begin.

    Quotas of each subject count by `of_subjects`.
    """
    zone = policy.ledger.time_zone
    instants = (as_of, as_of + EVENT_AHEAD_MAX)
    quotas = [quota for quota in policy.quotas if not quota.is_of_each_subject]
    return tuple(dict.fromkeys(counter_key(quota, instant, zone) for quota in quotas for instant in instants))


def running_spans(ledger: Ledger, as_of: datetime) -> tuple[Span, ...]:
    """Return the spans of every counter that may be in use now."""
    zone, anchor_on = ledger.time_zone, ledger.period_anchor_on
    instants = (as_of - EVENT_AHEAD_MAX, as_of, as_of + EVENT_AHEAD_MAX)
    return tuple(dict.fromkeys(span_of(period, instant, zone, anchor_on) for period in Period for instant in instants))


def claim_on(policy: LimitPolicy, amounts: Mapping[int, Decimal], as_of: datetime, *, cost: int = 1) -> Claim:
    """Return the claim of a request that adds `amounts`, by meter id.

    Counters come in the order in which stores lock them.
    """
    return claim_of(policy, current_counters(policy, as_of), amounts, as_of, cost=cost)


def current_counters(policy: LimitPolicy, as_of: datetime) -> tuple[tuple[Quota, CounterKey], ...]:
    """Return each quota with its counter in the current period, but those of each subject."""
    quotas = [quota for quota in policy.quotas if not quota.is_of_each_subject]
    return tuple((quota, counter_key(quota, as_of, policy.ledger.time_zone)) for quota in quotas)


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
    return Claim(
        policy.ledger,
        policy.throttles,
        tuple(counters),
        cost,
        as_of,
        allows_in_outage=policy.allows_in_outage,
        # A stop is about money, and a test key's usage costs none.
        stops=tuple(stop for stop in policy.stops if as_of < stop.until) if policy.ledger.is_live else (),
    )


def decide(claim: Claim, levels: LimitLevels, *, is_taken: bool) -> Decision:
    """Return the decision for a claim. Raises AssertionError if the store and this arithmetic disagree."""
    if not levels.is_checked:
        return _refused_by(_waits_of_stops(claim), ()) or Decision(is_allowed=True)
    decision = decide_at(claim, levels.buckets, levels.used, is_taken=is_taken)
    assert (levels.is_allowed and not claim.stops) == decision.is_allowed, (
        "a store and the domain agree on what is refused"
    )
    return decision


def decide_at(claim: Claim, buckets: Sequence[Bucket | None], used: Sequence[Decimal], *, is_taken: bool) -> Decision:
    """Return the decision for a claim at these levels, which are in the claim's order."""
    waits = _waits_of_stops(claim)
    for throttle, bucket in zip(claim.throttles, buckets, strict=True):
        tried = take(bucket, throttle.rate, throttle.burst, claim.cost, claim.as_of)
        if not tried.is_allowed:
            waits.append((tried.retry_after_microseconds or 0, LimitRefusal.THROTTLED, throttle.name))
    for counter, quantity in zip(claim.counters, used, strict=True):
        if counter.is_refused_at(quantity):
            wait = (counter.key.period_end - claim.as_of) // _MICROSECOND
            waits.append((wait, counter.quota.refusal, counter.quota.name))
    states = limit_states_at(claim, buckets, used, is_taken=is_taken and not waits)
    return _refused_by(waits, states) or Decision(is_allowed=True, limits=states)


def _waits_of_stops(claim: Claim) -> list[tuple[int, LimitRefusal, str]]:
    return [
        ((stop.until - claim.as_of) // _MICROSECOND, LimitRefusal.BUDGET_EXCEEDED, stop.name) for stop in claim.stops
    ]


def _refused_by(waits: Sequence[tuple[int, LimitRefusal, str]], states: tuple[LimitState, ...]) -> Decision | None:
    """Return the refusal by the limit with the longest wait; None if there is none."""
    if not waits:
        return None
    wait, refusal, name = max(waits)
    return Decision(is_allowed=False, limits=states, refusal=refusal, refused_by=name, wait_microseconds=wait)


def limit_states(claim: Claim, levels: LimitLevels, *, is_taken: bool) -> tuple[LimitState, ...]:
    """Return the state of each limit of the claim, with or without what the claim takes."""
    return limit_states_at(claim, levels.buckets, levels.used, is_taken=is_taken) if levels.is_checked else ()


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
