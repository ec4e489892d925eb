"""Sum up from the ledger what a store of limits does not know, or cannot be trusted to know.

A store may lose everything at any time. It learns again under the lock that holds ingest back; so what is counted
beside it is counted once.
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
def make_known(*, store: LimitStore, claim: Claim) -> None:
    """Sum up from the ledger what the claim asks about."""
    with within_tenant(claim.ledger.tenant_id):
        if claim.counters:
            lock_ledger(claim.ledger)
            store.store(claim.ledger, used_of(claim.ledger, claim.keys), claim.as_of)
        store.fill_buckets(claim.ledger, claim.throttles, claim.as_of)


@contextmanager
def counting_with(store: LimitStore, ledger: Ledger, as_of: datetime) -> Iterator[None]:
    """A transaction beside which `store` counts.

    Where it fails, a store that is no part of it may have counted what was not stored, or the commit may have been done
    without an answer. Nobody can tell, so nothing is given back by guess: the counters are forgotten, and summed up
    anew.
    """
    try:
        with transaction.atomic():
            yield
    except BaseException:
        if not store.is_transactional:
            with suppress(StoreUnavailableError):
                store.forget(ledger, as_of)
        raise
