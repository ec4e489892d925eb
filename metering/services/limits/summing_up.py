"""Sum up counters from the ledger that a store of limits does not know, or may have wrong.

A store may lose everything at any time. Counters are loaded under the lock that blocks ingest, so every event is
counted once.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import transaction

from accounts.domain.reach import within_tenant
from accounts.errors import ProblemError, StoreUnavailableError
from accounts.sql import fetch_all
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, marker_of
from metering.domain.reservations import Held
from metering.gateways.limit_stores.protocol import LimitStore
from metering.selectors.limits import used_of
from metering.selectors.reservations import held_of
from metering.selectors.subject_usage import used_of_subjects
from metering.services.ledger_lock import lock_ledger

END_EXPIRED: Final = """
UPDATE metering_reservation SET is_holding = false,
    state = CASE WHEN state = 'held' THEN 'expired' ELSE state END, ended_at = coalesce(ended_at, expires_at)
WHERE tenant_id = %(tenant_id)s::uuid AND is_live = %(is_live)s AND is_holding
    AND expires_at <= %(as_of)s::timestamptz
RETURNING 1
"""

COUNTED_AGAIN: Final = """
DELETE FROM metering_uncountedledger WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s RETURNING 1
"""


@transaction.atomic
def load_counters(*, store: LimitStore, claim: Claim) -> None:
    """Load the claim's counters from the ledger."""
    with within_tenant(claim.ledger.tenant_id):
        if claim.counters:
            lock_ledger(claim.ledger)
            count_what_was_missed(store, claim.ledger, claim.as_of)
            end_expired(claim.ledger, claim.as_of)
            held = held_of(claim.ledger, claim.as_of)
            shared = [key for key in claim.keys if key.subject is None]
            if shared:
                store.store(claim.ledger, used_of(claim.ledger, shared), claim.as_of, held)
            _load_subjects(store, claim, held)
        store.fill_buckets(claim.ledger, claim.throttles, claim.as_of)


def count_what_was_missed(store: LimitStore, ledger: Ledger, as_of: datetime) -> None:
    """Mark every counter as unknown, in the transaction that has locked the ledger, if the store has missed events."""
    if not store.is_transactional and fetch_all(
        COUNTED_AGAIN, {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live}
    ):
        store.forget(ledger, as_of)


def _load_subjects(store: LimitStore, claim: Claim, held: Mapping[CounterKey, Held]) -> None:
    """Load the counters of subjects: those that are asked for, or all of a meter and period if one may be missing.

    Of a subject that only a budget names, its own counter is loaded alone: those of others are not kept.
    """
    ledger, as_of = claim.ledger, claim.as_of
    by_marker: dict[CounterKey, list[CounterKey]] = {}
    of_all = {counter.key for counter in claim.counters if not counter.quota.names_subject}
    for key in dict.fromkeys(claim.keys):
        if key.subject is None:
            continue
        marker = marker_of(key)
        if key in of_all:
            by_marker.setdefault(marker, []).append(key)
        else:
            used = {key: Decimal(0)} | used_of_subjects(ledger, marker, [key.subject])
            store.store(ledger, used, as_of, held)
    for marker, keys in by_marker.items():
        known = store.used_by_subjects(ledger, marker, keys)
        if known is not None:
            store.store(ledger, known, as_of, held)
            continue
        of_holds = (key for key in held if key.subject is not None and marker_of(key) == marker)
        used = dict.fromkeys((*keys, *of_holds), Decimal(0)) | used_of_subjects(ledger, marker)
        store.store_subjects(ledger, marker, used, as_of, held)


def end_expired(ledger: Ledger, as_of: datetime) -> int:
    """End the reservations whose time is over, in the transaction that has locked the ledger. Returns how many.

    So a commit whose clock is behind finds its reservation ended, once a request was let into the room it had held.
    """
    return len(fetch_all(END_EXPIRED, {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live, "as_of": as_of}))


@contextmanager
def counting_with(store: LimitStore, ledger: Ledger, as_of: datetime) -> Iterator[None]:
    """Open a transaction during which `store` counts.

    If the transaction fails, a store that is no part of it may have counted an event that was not stored, or the commit
    may have been done without a response. Neither can be known, so the counters are marked as unknown, and summed up
    again. A refusal of ours is raised before the store is asked.
    """
    try:
        with transaction.atomic():
            yield
    except BaseException as error:
        is_refusal = isinstance(error, ProblemError) and not isinstance(error, StoreUnavailableError)
        if not store.is_transactional and not is_refusal:
            with suppress(StoreUnavailableError):
                store.forget(ledger, as_of)
        raise
