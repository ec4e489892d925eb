"""Authorize and count: one request passes all its limits and is recorded, or neither.

The limits are taken and the event is stored in one transaction: a refusal stores nothing, a duplicate takes nothing.
Limits are first checked without locks, so that a client that is refused again and again writes nothing. A store in
PostgreSQL is asked first, since all statements lock counters before usage. Redis, which rolls nothing back, is
asked last, when the event is known to be new.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import OperationalError, transaction
from psycopg.errors import DeadlockDetected

from accounts.domain.principal import Principal, TenantFacts
from accounts.errors import StoreUnavailableError
from metering.domain.contribution import contributions, rules_counting_at
from metering.domain.events import ParsedEvent
from metering.domain.ledger import IngestResult
from metering.domain.limit_policy import Claim, Decision, LimitLevels, claim_on, decide, limit_states
from metering.errors import EventConflictError
from metering.gateways.limit_stores.chosen import limit_store
from metering.gateways.limit_stores.protocol import LimitStore
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.limits import known_content_hash
from metering.services.ingest import ingest_events
from metering.services.limits.asking import learn, look, take_of
from metering.services.limits.policies import policy_in_force
from metering.services.limits.summing_up import counting_with

TRIES_MAX: Final = 5
# What a store of limits took, and what the ledger stored; None for a counter that is unknown, or if nothing was tried.
Step = tuple[LimitLevels | None, IngestResult | None]


@dataclass(frozen=True, slots=True)
class Authorization:
    """The decision, and whether the event had been counted before."""

    decision: Decision
    is_duplicate: bool = False


def authorize(*, principal: Principal, tenant: TenantFacts, event: ParsedEvent, as_of: datetime) -> Authorization:
    """Record the event if all limits allow it. The same event again is allowed and counts nothing.

    Raises `EventConflictError` if the id has other content, `StoreUnavailableError` if a store does not respond;
    in both cases nothing was recorded.
    """
    store = limit_store()
    claim = claim_for(principal, tenant, event, as_of)
    for _ in range(TRIES_MAX):
        with _tried_again_after_deadlock():
            authorization = _try_once(store, claim, event, principal.key_id)
            if authorization is not None:
                return authorization
            learn(store, claim)
    raise unknown_limits()


def check_limits(*, principal: Principal, tenant: TenantFacts, event: ParsedEvent, as_of: datetime) -> Decision:
    """Return whether the event would be allowed now. Takes and records nothing. Raises `StoreUnavailableError`."""
    store = limit_store()
    claim = claim_for(principal, tenant, event, as_of)
    for _ in range(TRIES_MAX):
        with _tried_again_after_deadlock():
            levels = look(store, claim)
            if levels is not None:
                return decide(claim, levels, is_taken=False)
            learn(store, claim)
    raise unknown_limits()


def amounts_of(event: ParsedEvent, as_of: datetime) -> dict[int, Decimal]:
    """Return the quantity that the event adds to each of its meters, by the meter's id."""
    rules = rules_counting_at(rules_in_rollups(), as_of)
    return {one.meter_id: one.quantity for one in contributions(event, rules)}


def claim_for(principal: Principal, tenant: TenantFacts, event: ParsedEvent, as_of: datetime) -> Claim:
    """Return what the event takes of every limit that applies to the key now."""
    policy = policy_in_force(principal=principal, tenant=tenant, as_of=as_of)
    return claim_on(policy.of_event(event.subject, event.type), amounts_of(event, as_of), as_of)


def unknown_limits() -> StoreUnavailableError:
    """Return the 503 of limits that changed again and again while they were summed up."""
    return StoreUnavailableError("The limits could not be read. Nothing was counted. Try again.")


@contextmanager
def _tried_again_after_deadlock() -> Iterator[None]:
    """Run one try. If PostgreSQL broke it to end a deadlock, nothing was stored, and the caller begins the next."""
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.__cause__, DeadlockDetected):
            raise


def _try_once(store: LimitStore, claim: Claim, event: ParsedEvent, api_key_id: UUID) -> Authorization | None:
    """Return the authorization, or None if the store must load a counter first."""
    seen = look(store, claim)
    if seen is None:
        return None
    if not seen.is_allowed:
        return _refuse_unless_known(claim, seen, event)
    step = _take_and_store if store.is_transactional else _store_and_take
    with counting_with(store, claim.ledger, claim.as_of):
        taken, stored = step(store, claim, event, api_key_id)
        if taken is None or not taken.is_allowed or stored is None or not stored.accepted:
            transaction.set_rollback(True)
    if stored is not None and stored.conflicts:
        raise EventConflictError
    if stored is not None and stored.duplicates:
        return _allowed_before(claim, seen)
    if taken is None:
        return None
    return Authorization(decide(claim, taken, is_taken=True)) if stored else _refuse_unless_known(claim, taken, event)


def _take_and_store(store: LimitStore, claim: Claim, event: ParsedEvent, api_key_id: UUID) -> Step:
    taken = take_of(store, claim)
    if taken is None or not taken.is_allowed:
        return taken, None
    return taken, ingest_events(ledger=claim.ledger, events=[event], api_key_id=api_key_id, as_of=claim.as_of)


def _store_and_take(store: LimitStore, claim: Claim, event: ParsedEvent, api_key_id: UUID) -> Step:
    stored = ingest_events(ledger=claim.ledger, events=[event], api_key_id=api_key_id, as_of=claim.as_of)
    return (take_of(store, claim) if stored.accepted else None), stored


def _refuse_unless_known(claim: Claim, seen: LimitLevels, event: ParsedEvent) -> Authorization:
    """Return a refusal, unless the event was allowed before: its retry is allowed, even if the limit is used up now."""
    known = known_content_hash(claim.ledger, event.key)
    if known is None:
        return Authorization(decide(claim, seen, is_taken=False))
    if known != event.content_hash:
        raise EventConflictError
    return _allowed_before(claim, seen)


def _allowed_before(claim: Claim, seen: LimitLevels) -> Authorization:
    return Authorization(Decision(is_allowed=True, limits=limit_states(claim, seen, is_taken=False)), is_duplicate=True)
