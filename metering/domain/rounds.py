"""A round: requests that are decided and counted together, in the order in which they arrived.

`RoundLimits` are the limits of all of them, as the store held them when the round began and as each request leaves them
to the next. `RoundUsage` is what the stored events add to usage and to counters. Both name a ledger by its number in
the round.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from metering.domain.contribution import Contribution
from metering.domain.events import ParsedEvent
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, Decision, decide_at, limit_states_at
from metering.domain.limits import Bucket, take
from metering.domain.quantities import EXACT

_ZERO: Final = Decimal(0)
_QUARTER_MINUTES: Final = 15
_ENCODER: Final = msgspec.json.Encoder()


class RoundReport(msgspec.Struct, frozen=True):
    """An event to store. `claim` is what it takes of limits that decide; None if it is stored whatever they say.

    `watched` are the hard quotas that count such an event: a claim that takes nothing.
    `contributions` are to meters that are added up alone; `counters` are the limits that count the event.
    """

    ledger: Ledger
    event: ParsedEvent
    api_key_id: UUID
    received_at: datetime
    contributions: tuple[Contribution, ...]
    counters: tuple[CounterKey, ...]
    claim: Claim | None = None
    watched: Claim | None = None


class RoundQuestion(msgspec.Struct, frozen=True):
    """Whether a claim would pass now."""

    api_key_id: UUID
    claim: Claim


class Outcome(msgspec.Struct, frozen=True):
    """The event is stored, or was before; or the decision says that it is not. None: no limit was to decide.

    `used` are the levels of what was watched, in the claim's order, after the round; None if one is unknown.
    """

    decision: Decision | None = None
    used: tuple[Decimal, ...] | None = None


class HeldCounter(NamedTuple):
    """A counter, and the number of its ledger."""

    ledger: int
    key: CounterKey


class HeldBucket(NamedTuple):
    """The bucket of a scope, and the number of its ledger."""

    ledger: int
    scope_id: UUID


class UsagePart(NamedTuple):
    """Where usage is added. Days of every time zone begin at a quarter of an hour, so each quarter is in one day."""

    ledger: int
    meter_id: int
    quarter: datetime
    api_key_id: UUID
    dimensions: bytes


class RoundLedgers:
    """The ledgers of a round, numbered from 1 in the order in which they were first named."""

    def __init__(self) -> None:
        self._halves: dict[tuple[UUID, bool], int] = {}
        self.ledgers: list[Ledger] = []

    def number_of(self, ledger: Ledger) -> int | None:
        """Return the ledger's number; None if the round knows it with other settings, which one of them has late."""
        half = (ledger.tenant_id, ledger.is_live)
        number = self._halves.get(half)
        if number is None:
            self.ledgers.append(ledger)
            number = self._halves[half] = len(self.ledgers)
        known = self.ledgers[number - 1]
        return number if known is ledger or known == ledger else None


class RoundLimits:
    """The counters and buckets that the claims of a round name."""

    def __init__(self) -> None:
        self.used: dict[HeldCounter, Decimal | None] = {}
        self.buckets: dict[HeldBucket, Bucket | None] = {}
        self.poured: dict[HeldBucket, Bucket] = {}

    def include(self, ledger: int, claim: Claim) -> None:
        """Name what a claim needs."""
        for counter in claim.counters:
            self.used.setdefault(HeldCounter(ledger, counter.key))
        for throttle in claim.throttles:
            self.buckets.setdefault(HeldBucket(ledger, throttle.scope_id))

    def learn(self, used: Iterable[tuple[int, Decimal]], buckets: Iterable[tuple[int, int, int]]) -> None:
        """Take what the store knows, each by its position from 1 in the order of naming."""
        counters, scopes = list(self.used), list(self.buckets)
        for position, quantity in used:
            self.used[counters[position - 1]] = quantity
        for position, micro_tokens, updated_at_microseconds in buckets:
            self.buckets[scopes[position - 1]] = Bucket(micro_tokens, updated_at_microseconds)

    def decide(self, ledger: int, claim: Claim) -> Decision | None:
        """Return the decision of a request that is stored if it passes, and take what it takes. None: unknown."""
        levels = self._levels(ledger, claim)
        if levels is None:
            return None
        decision = decide_at(claim, *levels, is_taken=True)
        if decision.is_allowed:
            self._take(ledger, claim)
        return decision

    def check(self, ledger: int, claim: Claim) -> Decision | None:
        """Return the decision of a request that only asks. None: unknown."""
        levels = self._levels(ledger, claim)
        return None if levels is None else decide_at(claim, *levels, is_taken=False)

    def allow_again(self, ledger: int, claim: Claim) -> Decision | None:
        """Return the decision of a request whose event was counted before. None: unknown."""
        levels = self._levels(ledger, claim)
        if levels is None:
            return None
        return Decision(is_allowed=True, limits=limit_states_at(claim, *levels, is_taken=False))

    def used_of(self, ledger: int, claim: Claim) -> tuple[Decimal, ...] | None:
        """Return the levels of the claim's counters. None: one is unknown."""
        levels = self._levels(ledger, claim)
        return None if levels is None else tuple(levels[1])

    def _levels(self, ledger: int, claim: Claim) -> tuple[list[Bucket], list[Decimal]] | None:
        used = [self.used[HeldCounter(ledger, counter.key)] for counter in claim.counters]
        buckets = [self.buckets[HeldBucket(ledger, throttle.scope_id)] for throttle in claim.throttles]
        known_used = [quantity for quantity in used if quantity is not None]
        known_buckets = [bucket for bucket in buckets if bucket is not None]
        if len(known_used) < len(used) or len(known_buckets) < len(buckets):
            return None
        return known_buckets, known_used

    def _take(self, ledger: int, claim: Claim) -> None:
        # Quotas of equal periods share a counter, such as a month's and a billing period's.
        for key, amount in {counter.key: counter.amount for counter in claim.counters}.items():
            held = HeldCounter(ledger, key)
            self.used[held] = EXACT.add(self.used[held] or _ZERO, amount)
        for throttle in claim.throttles:
            scope = HeldBucket(ledger, throttle.scope_id)
            taken = take(self.buckets[scope], throttle.rate, throttle.burst, claim.cost, claim.as_of)
            self.buckets[scope] = self.poured[scope] = taken.bucket


class RoundUsage:
    """What the stored events of a round add: quantity and number of events by part, and amounts by counter."""

    def __init__(self) -> None:
        self.parts: dict[UsagePart, tuple[Decimal, int]] = {}
        self.counters: dict[HeldCounter, Decimal] = {}

    def add(self, ledger: int, report: RoundReport) -> None:
        """Count one event, as the ledger's statement for one ledger counts it in SQL."""
        event = report.event
        quarter = quarter_of(event.occurred_at)
        for one in report.contributions:
            part = UsagePart(ledger, one.meter_id, quarter, report.api_key_id, _ENCODER.encode(one.dimensions))
            quantity, events = self.parts.get(part, (_ZERO, 0))
            self.parts[part] = EXACT.add(quantity, one.quantity), events + 1
            for key in counters_of(report.counters, one.meter_id, event.occurred_at):
                held = HeldCounter(ledger, key)
                self.counters[held] = EXACT.add(self.counters.get(held, _ZERO), one.quantity)


def quarter_of(instant: datetime) -> datetime:
    """Return the quarter of an hour of an instant in UTC."""
    return instant.replace(minute=instant.minute // _QUARTER_MINUTES * _QUARTER_MINUTES, second=0, microsecond=0)


def counters_of(counters: Sequence[CounterKey], meter_id: int, occurred_at: datetime) -> list[CounterKey]:
    """Return the counters that count a meter's usage at an instant."""
    return [key for key in counters if key.meter_id == meter_id and key.period_start <= occurred_at < key.period_end]
