"""Reservations: quota that is held before the work, and recorded or freed after it.

What is held is a part of each counter's sum, beside what is used: both together never exceed a hard quota. The event of
a reservation occurs when it was made, so it counts in the period whose quota was held. See `docs/limits.md`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from metering.domain.canonical import PropertyValue, canonical_number, content_hash_of_canonical
from metering.domain.events import ParsedEvent
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, CounterClaim, Quota
from metering.domain.periods import Period
from metering.domain.quantities import EXACT

EXPIRES_IN_SECONDS_DEFAULT: Final = 300
EXPIRES_IN_SECONDS_MAX: Final = 3600
# After this time an ended reservation is deleted; its event stays.
KEPT_AFTER_END: Final = timedelta(days=30)
_ZERO: Final = Decimal(0)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")


class ReservationState(StrEnum):
    """Where a reservation stands. A held one ends in one of the others, and then changes no more."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


TRANSITIONS: Final[Mapping[ReservationState, frozenset[ReservationState]]] = {
    ReservationState.HELD: frozenset({ReservationState.COMMITTED, ReservationState.RELEASED, ReservationState.EXPIRED}),
    ReservationState.COMMITTED: frozenset(),
    ReservationState.RELEASED: frozenset(),
    ReservationState.EXPIRED: frozenset(),
}


class Hold(msgspec.Struct, frozen=True):
    """What one reservation holds of one counter."""

    scope_id: UUID
    meter_id: int
    period_start: datetime
    period_end: datetime
    amount: Decimal
    subject: str | None = None

    @property
    def key(self) -> CounterKey:
        """Return the counter."""
        return CounterKey(self.scope_id, self.meter_id, self.period_start, self.period_end, self.subject)


class Held(NamedTuple):
    """What all reservations hold of one counter, and when the first of them expires."""

    amount: Decimal = _ZERO
    next_expiry_at: datetime | None = None


NOTHING_HELD: Final = Held()
NOBODY_HOLDS: Final[Mapping[CounterKey, Held]] = MappingProxyType({})
_HOLDS: Final = msgspec.json.Decoder(list[Hold])
_PROPERTIES: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a commit does: the claim on the limits, and what stays held until a later step frees it."""

    claim: Claim
    rest: tuple[Hold, ...]


def expiry_of(as_of: datetime, seconds: int) -> datetime:
    """Return when a reservation expires: after so many seconds, rounded up to a whole one.

    So at most one moment a second ends reservations of a tenant, however many it makes.
    """
    assert 1 <= seconds <= EXPIRES_IN_SECONDS_MAX, "the caller has checked the bounds"
    expires_at = as_of + timedelta(seconds=seconds)
    whole = expires_at.replace(microsecond=0)
    return whole if whole == expires_at else whole + timedelta(seconds=1)


def holding(claim: Claim, expires_at: datetime) -> Claim:
    """Return the same claim, which holds its amounts until `expires_at` instead of using them."""
    counters = tuple(replace(counter, held=counter.amount) for counter in claim.counters)
    return replace(claim, counters=counters, held_until=expires_at)


def holds_of(claim: Claim) -> tuple[Hold, ...]:
    """Return what a claim holds. Quotas of equal periods share a counter, which holds once."""
    held = {counter.key: counter.held for counter in claim.counters}
    return tuple(_hold_on(key, amount) for key, amount in held.items())


def settlement_of(
    claim: Claim, holds: Sequence[Hold], amounts: Mapping[int, Decimal], as_of: datetime, *, frees_rest: bool
) -> Settlement:
    """Return how the amounts of `claim`, which are used, are taken out of what was held.

    A counter that was held and is not in the claim, such as another key's own, counts `amounts` (by meter) as well, and
    refuses nothing. What is used beyond the hold is claimed, and may be refused. Without `frees_rest` what was not
    used stays held.
    """
    held = {hold.key: hold.amount for hold in holds}
    settled, rest = [], {}
    for counter in (*claim.counters, *_foreign(claim, holds, amounts)):
        of_hold = held.get(counter.key, _ZERO)
        taken = of_hold if frees_rest else min(of_hold, max(counter.amount, _ZERO))
        settled.append(replace(counter, amount=EXACT.subtract(counter.amount, taken), held=EXACT.minus(taken)))
        left = EXACT.subtract(of_hold, taken)
        if left:
            rest[counter.key] = _hold_on(counter.key, left)
    return Settlement(replace(claim, counters=tuple(settled), throttles=(), cost=0, as_of=as_of), tuple(rest.values()))


def freeing(ledger: Ledger, holds: Sequence[Hold], as_of: datetime) -> Claim:
    """Return the claim that frees what is held."""
    counters = (_unlimited(hold, EXACT.minus(hold.amount), EXACT.minus(hold.amount)) for hold in holds)
    return Claim(ledger, (), tuple(counters), 0, as_of)


def event_with(event: ParsedEvent, quantity: Decimal) -> ParsedEvent:
    """Return the event with the quantity that was used, as the client would have sent it."""
    number = canonical_number(quantity)
    hashed = content_hash_of_canonical(event.type, None, number, event.subject, event.properties_json)
    return replace(event, quantity=Decimal(number), content_hash=hashed)


def encode_holds(holds: Iterable[Hold]) -> str:
    """Return holds as they are stored."""
    return _ENCODER.encode(list(holds)).decode()


def decode_holds(text: str) -> tuple[Hold, ...]:
    """Read holds as they are stored."""
    return tuple(
        replace(hold, period_start=hold.period_start.astimezone(UTC), period_end=hold.period_end.astimezone(UTC))
        for hold in _HOLDS.decode(text)
    )


def decode_properties(text: str) -> dict[str, PropertyValue]:
    """Read the canonical JSON of an event's properties, exactly."""
    return {
        name: canonical_number(value) if isinstance(value, Decimal) else value
        for name, value in _PROPERTIES.decode(text).items()
    }


def _foreign(claim: Claim, holds: Sequence[Hold], amounts: Mapping[int, Decimal]) -> list[CounterClaim]:
    """Return claims on the counters that are held and that `claim` does not name."""
    known = {counter.key for counter in claim.counters}
    return [_unlimited(hold, amounts.get(hold.meter_id, _ZERO), _ZERO) for hold in holds if hold.key not in known]


def _unlimited(hold: Hold, amount: Decimal, held: Decimal) -> CounterClaim:
    """Return a claim on the counter of a hold that no limit refuses."""
    is_named = hold.subject is not None
    quota = Quota("", hold.scope_id, hold.meter_id, "", Period.MONTH, _ZERO, is_hard=False, names_subject=is_named)
    return CounterClaim(quota, hold.key, amount, held)


def _hold_on(key: CounterKey, amount: Decimal) -> Hold:
    return Hold(key.scope_id, key.meter_id, key.period_start, key.period_end, amount, key.subject)
