"""Reserve quota, and commit or release it later.

The row of a reservation is the truth. What it holds is a part of the sum of each counter, in whichever store, and is
summed up again from the rows if the store loses it, or once something held expires. Locks are taken in the order of all
statements: the ledger (shared), the reservation, counters, buckets, identities, usage.

Redis rolls nothing back. So a step that frees quota there comes after the commit that makes it free: a process that
dies between the two leaves limits too strict, until the reservation expires, and never too generous.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from msgspec.structs import replace
from psycopg.errors import DeadlockDetected, UniqueViolation

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.principal import Principal, TenantFacts
from accounts.errors import NotFoundError, StoreUnavailableError
from accounts.services.audit import AuditTarget, record_audit
from metering.domain.events import ParsedEvent
from metering.domain.ledger import TENANT_SCOPE, Ledger
from metering.domain.limit_policy import Claim, Decision, LimitLevels, LimitPolicy, claim_on, decide, limit_states
from metering.domain.reservations import (
    KEPT_AFTER_END,
    TRANSITIONS,
    ReservationState,
    Settlement,
    decode_holds,
    decode_properties,
    encode_holds,
    event_with,
    expiry_of,
    freeing,
    holding,
    holds_of,
    settlement_of,
)
from metering.errors import EventConflictError, ReservationEndedError
from metering.gateways.limit_stores.chosen import limit_store
from metering.gateways.limit_stores.protocol import LimitStore
from metering.models import Reservation
from metering.selectors.limits import known_content_hash, ledger_of
from metering.selectors.reservations import held_for_event
from metering.services.ingest import ingest_events
from metering.services.ledger_lock import lock_ledger, share_ledger
from metering.services.limits.asking import learn, look, take_of
from metering.services.limits.authorization import (
    TRIES_MAX,
    Step,
    amounts_of,
    claim_for,
    unknown_limits,
)
from metering.services.limits.policies import policy_in_force
from metering.services.limits.summing_up import counting_with, end_expired

DELETED_AT_ONCE_MAX: Final = 1000
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Reserved:
    """The decision, and what was reserved if it was allowed."""

    decision: Decision
    reservation: Reservation | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """The event that was recorded. If more was used than the quota has room for, `decision` refuses, and nothing is."""

    event_id: str
    quantity: Decimal
    decision: Decision


class _UnknownLevelsError(Exception):
    """The store does not know a limit of the claim."""

    def __init__(self, claim: Claim) -> None:
        super().__init__()
        self.claim = claim


class _AlreadyRecordedError(Exception):
    """The same event was recorded otherwise, so that nothing more is counted."""


def reserve(
    *, principal: Principal, tenant: TenantFacts, event: ParsedEvent, expires_in_seconds: int, as_of: datetime
) -> Reserved:
    """Hold what the event would take of every limit, or nothing. The same event again returns the same reservation.

    Raises `EventConflictError` if the event's id is taken, `StoreUnavailableError` if a store does not respond.
    """
    store, expires_at = limit_store(), expiry_of(as_of, expires_in_seconds)
    claim = holding(claim_for(principal, tenant, event, as_of), expires_at)

    def hold() -> Reserved:
        return _hold(store, claim, event, principal.key_id, expires_at)

    return _despite_changes(store, claim.ledger, as_of, hold)


def commit_reservation(
    *, principal: Principal, tenant: TenantFacts, reservation_id: UUID, quantity: Decimal | None, as_of: datetime
) -> Committed:
    """Record what was used of a reservation, by default all that it holds, and free the rest.

    Raises `NotFoundError`, `ReservationEndedError`, `EventConflictError`, `StoreUnavailableError`.
    """
    store = limit_store()
    commit = _Commit(
        store,
        policy_in_force(principal=principal, tenant=tenant, as_of=as_of),
        principal.key_id,
        reservation_id,
        quantity,
        as_of,
    )
    committed = _despite_changes(store, commit.ledger, as_of, commit.run)
    if committed.decision.is_allowed:
        _free_rest(commit.ledger, reservation_id, as_of)
    return committed


def release_reservation(*, principal: Principal, tenant: TenantFacts, reservation_id: UUID, as_of: datetime) -> None:
    """Free what a reservation holds. One that is released or has expired stays as it is.

    Raises `NotFoundError`, and `ReservationEndedError` if it was committed.
    """
    ledger = ledger_of(principal, tenant)
    if _release(ledger, reservation_id, as_of):
        _free_rest(ledger, reservation_id, as_of)


def release_by_staff(*, ledger: Ledger, reservation_id: UUID, actor: Actor, as_of: datetime) -> bool:
    """Free what a reservation holds, and record who did. Returns whether it was held until now."""
    with transaction.atomic():
        is_released = _release(ledger, reservation_id, as_of)
        if is_released:
            record_audit(
                actor=actor,
                action="reservation.released",
                tenant_id=ledger.tenant_id,
                target=AuditTarget("reservation", reservation_id, str(reservation_id)),
                before={"state": ReservationState.HELD.value},
                after={"state": ReservationState.RELEASED.value},
                as_of=as_of,
            )
    if is_released:
        _free_rest(ledger, reservation_id, as_of)
    return is_released


@transaction.atomic
def end_expired_reservations(*, ledger: Ledger, as_of: datetime) -> int:
    """End the reservations of a ledger whose time is over; returns how many. They count nothing since then anyway."""
    lock_ledger(ledger)
    return end_expired(ledger, as_of)


def delete_ended_reservations(*, as_of: datetime) -> int:
    """Delete reservations that ended long ago, a thousand at once, and return how many. Their events stay."""
    deleted = 0
    while True:
        ended = Reservation.objects.filter(ended_at__lt=as_of - KEPT_AFTER_END).order_by("ended_at")
        ids = list(ended.values_list("pk", flat=True)[:DELETED_AT_ONCE_MAX])
        deleted += Reservation.objects.filter(pk__in=ids).delete()[0] if ids else 0
        if len(ids) < DELETED_AT_ONCE_MAX:
            return deleted


def _despite_changes(store: LimitStore, ledger: Ledger, as_of: datetime, work: Callable[[], Outcome]) -> Outcome:
    """Run the work again if limits have to be summed up first, or if another request was at the same event."""
    for _ in range(TRIES_MAX):
        try:
            return work()
        except _UnknownLevelsError as unknown:
            learn(store, unknown.claim)
        except IntegrityError as error:
            if not isinstance(error.__cause__, UniqueViolation):
                raise
            end_expired_reservations(ledger=ledger, as_of=as_of)
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
    raise unknown_limits()


def _hold(store: LimitStore, claim: Claim, event: ParsedEvent, api_key_id: UUID, expires_at: datetime) -> Reserved:
    """Store the reservation, and take its claim last: Redis rolls nothing back."""
    seen = look(store, claim)
    if seen is None:
        raise _UnknownLevelsError(claim)
    ledger, as_of = claim.ledger, claim.as_of
    held = held_for_event(ledger, event.key, as_of)
    if held is not None and bytes(held.content_hash) == event.content_hash:
        return Reserved(Decision(is_allowed=True, limits=limit_states(claim, seen, is_taken=False)), held)
    if held is not None or known_content_hash(ledger, event.key) is not None:
        raise EventConflictError("An event or a reservation with this id exists.")
    if not seen.is_allowed:
        return Reserved(decide(claim, seen, is_taken=False))
    with counting_with(store, ledger, as_of):
        share_ledger(ledger)
        reservation = _create(claim, event, api_key_id, expires_at)
        taken = take_of(store, claim)
        if taken is None or not taken.is_allowed:
            transaction.set_rollback(True)
    if taken is None:
        raise _UnknownLevelsError(claim)
    return Reserved(decide(claim, taken, is_taken=True), reservation if taken.is_allowed else None)


def _create(claim: Claim, event: ParsedEvent, api_key_id: UUID, expires_at: datetime) -> Reservation:
    reservation = Reservation(
        id=uuid7(claim.as_of),
        tenant_id=claim.ledger.tenant_id,
        is_live=claim.ledger.is_live,
        api_key_id=api_key_id,
        state=ReservationState.HELD,
        key=event.key,
        content_hash=event.content_hash,
        event_id=event.id,
        type=event.type,
        quantity=event.quantity,
        subject=event.subject,
        properties=event.properties_json.decode(),
        holds=encode_holds(holds_of(claim)),
        is_holding=True,
        created_at=claim.as_of,
        expires_at=expires_at,
    )
    reservation.save(force_insert=True)
    return reservation


@dataclass(frozen=True, slots=True)
class _Commit:
    """One commit, which may have to be tried again."""

    store: LimitStore
    policy: LimitPolicy
    api_key_id: UUID
    reservation_id: UUID
    quantity: Decimal | None
    as_of: datetime

    @property
    def ledger(self) -> Ledger:
        return self.policy.ledger

    def run(self) -> Committed:
        """Record the event; if it was recorded otherwise before, only free what is held."""
        try:
            return self._try_once(is_recorded=False)
        except _AlreadyRecordedError:
            return self._try_once(is_recorded=True)

    def _try_once(self, *, is_recorded: bool) -> Committed:
        with counting_with(self.store, self.ledger, self.as_of):
            reservation = _locked(self.ledger, self.reservation_id)
            used = reservation.quantity if self.quantity is None else self.quantity
            if reservation.state == ReservationState.COMMITTED and reservation.committed_quantity == used:
                return Committed(reservation.event_id, used, Decision(is_allowed=True))
            _require_held(reservation, self.as_of)
            event = event_with(_event_of(reservation), used)
            settlement = self._settlement(reservation, event, is_recorded=is_recorded)
            taken, stored = self._step(settlement.claim, event, reservation.api_key_id, is_recorded=is_recorded)
            is_done = taken is not None and taken.is_allowed
            if is_done:
                _end(reservation, ReservationState.COMMITTED, settlement, self.as_of, quantity=used)
            else:
                transaction.set_rollback(True)
        if stored is not None and stored.conflicts:
            raise EventConflictError("Another event with this id was recorded meanwhile. The reservation stays.")
        if stored is not None and stored.duplicates:
            raise _AlreadyRecordedError
        if taken is None:
            raise _UnknownLevelsError(settlement.claim)
        decision = decide(settlement.claim, taken, is_taken=is_done)
        named = tuple(state for state in decision.limits if state.name)
        return Committed(reservation.event_id, used, replace(decision, limits=named))

    def _settlement(self, reservation: Reservation, event: ParsedEvent, *, is_recorded: bool) -> Settlement:
        amounts = {} if is_recorded else amounts_of(event, self.as_of)
        holds = decode_holds(reservation.holds)
        policy = self.policy.of_event(event.subject, event.type)
        # What is held can always be committed, also after a budget in money stopped new requests.
        claim = replace(claim_on(policy, amounts, reservation.created_at), stops=())
        if reservation.api_key_id != self.api_key_id:
            # The event is the reserving key's: it counts to no limit of the key that commits.
            held = {hold.key for hold in holds}
            shared = {counter.key for counter in claim.counters if counter.quota.subject is not None}
            own = (
                one
                for one in claim.counters
                if one.quota.scope_id == TENANT_SCOPE or one.key in shared or one.key in held
            )
            claim = replace(claim, counters=tuple(own))
        return settlement_of(claim, holds, amounts, self.as_of, frees_rest=self.store.is_transactional)

    def _step(self, claim: Claim, event: ParsedEvent, api_key_id: UUID, *, is_recorded: bool) -> Step:
        """Store the event and settle the claim: Redis last. An event that is not new settles nothing."""
        if is_recorded:
            return take_of(self.store, claim), None
        taken: LimitLevels | None = None
        if self.store.is_transactional:
            taken = take_of(self.store, claim)
            if taken is None or not taken.is_allowed:
                return taken, None
        stored = ingest_events(ledger=self.ledger, events=[event], api_key_id=api_key_id, as_of=self.as_of)
        if not stored.accepted:
            return None, stored
        return (taken if self.store.is_transactional else take_of(self.store, claim)), stored


def _release(ledger: Ledger, reservation_id: UUID, as_of: datetime) -> bool:
    """Release a reservation that is held, and return whether it was."""
    store = limit_store()

    def release() -> bool:
        with counting_with(store, ledger, as_of):
            reservation = _locked(ledger, reservation_id)
            if reservation.state == ReservationState.COMMITTED:
                raise ReservationEndedError("It was committed.")
            if reservation.state != ReservationState.HELD or reservation.expires_at <= as_of:
                return False
            holds = decode_holds(reservation.holds)
            claim = freeing(ledger, holds, as_of)
            if store.is_transactional and take_of(store, claim) is None:
                raise _UnknownLevelsError(claim)
            rest = () if store.is_transactional else holds
            _end(reservation, ReservationState.RELEASED, Settlement(claim, rest), as_of)
        return True

    return _despite_changes(store, ledger, as_of, release)


def _free_rest(ledger: Ledger, reservation_id: UUID, as_of: datetime) -> None:
    """Free what an ended reservation still holds in Redis. If that fails, it is freed when the reservation expires."""
    store = limit_store()
    if store.is_transactional:
        return
    with suppress(StoreUnavailableError), counting_with(store, ledger, as_of):
        reservation = _locked(ledger, reservation_id)
        if not reservation.is_holding or reservation.state == ReservationState.HELD:
            return
        take_of(store, freeing(ledger, decode_holds(reservation.holds), as_of))
        # If a counter is not known, it is summed up without this row.
        Reservation.objects.filter(pk=reservation_id).update(is_holding=False)


def _locked(ledger: Ledger, reservation_id: UUID) -> Reservation:
    """Lock a ledger (shared) and then a reservation of it. Raises `NotFoundError`."""
    share_ledger(ledger)
    rows = Reservation.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).select_for_update()
    reservation: Reservation | None = rows.filter(pk=reservation_id).first()
    if reservation is None:
        raise NotFoundError("No such reservation.")
    return reservation


def _require_held(reservation: Reservation, as_of: datetime) -> None:
    if reservation.state != ReservationState.HELD:
        raise ReservationEndedError(f"It is {reservation.state}.")
    if reservation.expires_at <= as_of:
        raise ReservationEndedError("It has expired.")


def _end(
    reservation: Reservation,
    state: ReservationState,
    settlement: Settlement,
    as_of: datetime,
    *,
    quantity: Decimal | None = None,
) -> None:
    """Store the end of a locked reservation; what is in `settlement.rest` stays held."""
    assert state in TRANSITIONS[ReservationState(reservation.state)], "only a held reservation ends"
    Reservation.objects.filter(pk=reservation.pk).update(
        state=state,
        committed_quantity=quantity,
        ended_at=as_of,
        holds=encode_holds(settlement.rest) if settlement.rest else reservation.holds,
        is_holding=bool(settlement.rest),
    )


def _event_of(reservation: Reservation) -> ParsedEvent:
    """Return the event that was announced. It occurs when it was reserved, in the period whose quota is held."""
    properties_json = reservation.properties.encode()
    return ParsedEvent(
        index=0,
        key=bytes(reservation.key),
        content_hash=bytes(reservation.content_hash),
        source="",
        id=reservation.event_id,
        type=reservation.type,
        occurred_at=reservation.created_at,
        quantity=reservation.quantity,
        subject=reservation.subject,
        properties=decode_properties(reservation.properties),
        properties_json=properties_json,
        tenant=None,
    )
