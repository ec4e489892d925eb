"""Where limits are kept: Redis if `REDIS_URL` names one, else PostgreSQL.

Both answer the same questions the same way.

A store may lose everything at any time. What it does not know is summed up from the ledger, under the lock that holds
ingest back; so what is counted beside it is counted once.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from django.conf import settings
from django.db import transaction

from accounts.errors import StoreUnavailableError
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, Standing, Throttle
from metering.gateways.redis_limits import RedisLimits, redis_limits
from metering.selectors.limits import used_of
from metering.services.ledger_lock import lock_ledger
from metering.services.limits.postgres import PostgresLimits


class LimitStore(Protocol):
    """What both stores do. A claim's answer is None where the store does not know a counter."""

    is_transactional: bool

    def peek(self, claim: Claim) -> Standing | None:
        """Look whether the claim would pass; takes nothing."""

    def take(self, claim: Claim) -> Standing | None:
        """Take the whole claim or nothing, in one atomic step."""

    def store(self, ledger: Ledger, used: Mapping[CounterKey, Decimal], as_of: datetime) -> None:
        """Set counters. Exact while the ledger is locked."""

    def fill_buckets(self, ledger: Ledger, throttles: Sequence[Throttle], as_of: datetime) -> None:
        """Make the buckets that there are not yet, full."""

    def forget(self, ledger: Ledger, as_of: datetime) -> None:
        """Make the running counters unknown."""

    def stored(self, ledger: Ledger, as_of: datetime) -> dict[CounterKey, Decimal]:
        """Return every running counter that is known."""


_postgres = PostgresLimits()


def limit_store() -> PostgresLimits | RedisLimits:
    """The store that the settings name."""
    return redis_limits(settings.REDIS_URL) if settings.REDIS_URL else _postgres


@transaction.atomic
def make_known(*, store: LimitStore, claim: Claim) -> None:
    """Sum up from the ledger what the claim asks about."""
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
