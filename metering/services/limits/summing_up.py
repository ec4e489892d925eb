"""Sum up counters from the ledger that a store of limits does not know, or may have wrong.

A store may lose everything at any time. Counters are loaded under the lock that blocks ingest, so every event is
counted once.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from django.db import transaction

from accounts.domain.reach import within_tenant
from accounts.errors import StoreUnavailableError
from metering.domain.ledger import Ledger
from metering.domain.limit_policy import Claim
from metering.gateways.limit_stores.protocol import LimitStore
from metering.selectors.limits import used_of
from metering.services.ledger_lock import lock_ledger


@transaction.atomic
def load_counters(*, store: LimitStore, claim: Claim) -> None:
    """Load the claim's counters from the ledger."""
    with within_tenant(claim.ledger.tenant_id):
        if claim.counters:
            lock_ledger(claim.ledger)
            store.store(claim.ledger, used_of(claim.ledger, claim.keys), claim.as_of)
        store.fill_buckets(claim.ledger, claim.throttles, claim.as_of)


@contextmanager
def counting_with(store: LimitStore, ledger: Ledger, as_of: datetime) -> Iterator[None]:
    """Open a transaction during which `store` counts.

    If the transaction fails, a store that is no part of it may have counted an event that was not stored, or the commit
    may have been done without a response. Neither can be known, so the counters are marked as unknown, and summed up
    again.
    """
    try:
        with transaction.atomic():
            yield
    except BaseException:
        if not store.is_transactional:
            with suppress(StoreUnavailableError):
                store.forget(ledger, as_of)
        raise
