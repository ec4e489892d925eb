"""Ask the store of limits, also while it does not respond.

Then the usage plan decides: requests are refused with 503, or they are allowed without a look at limits. What the store
has missed is not lost, since the ledger has every event. Its half of the ledger is marked in the same transaction, and
the first request for which the store responds again has its counters summed up.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from accounts.errors import StoreUnavailableError
from accounts.sql import fetch_all
from metering.domain.ledger import Ledger
from metering.domain.limit_policy import Claim, LimitLevels
from metering.gateways.limit_stores.protocol import LimitStore
from metering.selectors.uncounted import is_uncounted
from metering.services.limits.summing_up import load_counters

UNLIMITED: Final = LimitLevels(is_allowed=True, buckets=(), used=())
UNCHECKED: Final = LimitLevels(is_allowed=True, buckets=(), used=(), is_checked=False)
MARK: Final = """
INSERT INTO metering_uncountedledger (tenant_id, is_live, since_at)
VALUES (%(tenant_id)s, %(is_live)s, %(as_of)s) ON CONFLICT DO NOTHING RETURNING 1
"""

log = structlog.get_logger("countinghouse.limits")


def look(store: LimitStore, claim: Claim) -> LimitLevels | None:
    """Return the levels of the claim's limits, without taking; None if one is unknown."""
    levels = _levels(store, claim)
    return replace(levels, is_allowed=False) if levels is not None and claim.stops else levels


def _levels(store: LimitStore, claim: Claim) -> LimitLevels | None:
    if not claim.asks_store:
        return UNLIMITED
    try:
        levels = store.peek(claim)
    except StoreUnavailableError:
        if not claim.allows_in_outage:
            raise
        return UNCHECKED
    is_stale = levels is not None and not store.is_transactional and claim.counters and is_uncounted(claim.ledger)
    return None if is_stale else levels


def take_of(store: LimitStore, claim: Claim) -> LimitLevels | None:
    """Take the claim or nothing, and return the levels before; None if a limit is unknown.

    A claim with a stop is refused by `look`, and not taken.
    """
    assert not claim.stops, "a look refuses what a budget has stopped"
    if claim.is_free:
        return UNLIMITED
    try:
        return store.take(claim)
    except StoreUnavailableError:
        if not claim.allows_in_outage:
            raise
        note_uncounted(claim.ledger, claim.as_of)
        return UNCHECKED


def learn(store: LimitStore, claim: Claim) -> None:
    """Sum up what the store does not know, if it responds or the claim may not pass without it."""
    if claim.allows_in_outage:
        with suppress(StoreUnavailableError):
            load_counters(store=store, claim=claim)
    else:
        load_counters(store=store, claim=claim)


def note_uncounted(ledger: Ledger, as_of: datetime) -> None:
    """Mark a half of the ledger whose counters miss an event of this transaction."""
    values = {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live, "as_of": as_of}
    if fetch_all(MARK, values):
        log.warning("limits_not_counted", tenant_id=str(ledger.tenant_id), is_live=ledger.is_live)
