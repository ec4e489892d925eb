"""Compare counters with the ledger, and correct those that differ. Run on a schedule.

A counter may differ after a crash between its step in Redis and the commit, or after an outage of Redis during ingest.
Limits are then slightly too strict or too generous until the next comparison; the ledger and usage are always exact.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction

from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import marker_of
from metering.gateways.limit_stores.chosen import limit_store
from metering.gateways.limit_stores.protocol import LimitStore
from metering.selectors.limits import used_of
from metering.selectors.reservations import held_of
from metering.selectors.subject_usage import used_of_subjects
from metering.selectors.uncounted import is_uncounted
from metering.services.ledger_lock import lock_ledger
from metering.services.limits.summing_up import count_what_was_missed, end_expired

KEPT_AFTER_PERIOD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CounterDrift:
    """A counter that differed from the ledger."""

    ledger: Ledger
    key: CounterKey
    counted: Decimal
    in_ledger: Decimal


@dataclass(frozen=True, slots=True)
class CounterComparison:
    """The number of compared counters, and the corrected ones."""

    counters: int
    drifts: tuple[CounterDrift, ...]


def compare_counters(*, ledgers: Iterable[Ledger], as_of: datetime) -> CounterComparison:
    """Set every current counter to the ledger's value, one ledger after the other, and return the corrected ones."""
    store = limit_store()
    counters = 0
    drifts: list[CounterDrift] = []
    for ledger in ledgers:
        if store.stored(ledger, as_of) or is_uncounted(ledger):
            compared, drifted = _compare(store, ledger, as_of)
            counters += compared
            drifts += drifted
    return CounterComparison(counters, tuple(drifts))


def delete_ended_counters(*, as_of: datetime) -> int:
    """Delete counters whose period is over, and return how many. Counters in Redis expire by themselves."""
    return limit_store().delete_ended(as_of - KEPT_AFTER_PERIOD)


@transaction.atomic
def _compare(store: LimitStore, ledger: Ledger, as_of: datetime) -> tuple[int, list[CounterDrift]]:
    lock_ledger(ledger)
    count_what_was_missed(store, ledger, as_of)
    end_expired(ledger, as_of)
    counted = store.stored(ledger, as_of)
    if store.is_transactional:
        # What subjects have used is summed from the events, and such a store cannot have missed one of them.
        counted = {key: quantity for key, quantity in counted.items() if key.subject is None}
    in_ledger = used_of(ledger, [key for key in counted if key.subject is None])
    of_subjects = [key for key in counted if key.subject is not None]
    for marker in dict.fromkeys(marker_of(key) for key in of_subjects):
        in_ledger |= used_of_subjects(ledger, marker)
    in_ledger = dict.fromkeys(of_subjects, Decimal(0)) | in_ledger
    drifts = [
        CounterDrift(ledger, key, counted=quantity, in_ledger=in_ledger[key])
        for key, quantity in counted.items()
        if quantity != in_ledger[key]
    ]
    if drifts:
        store.store(ledger, {drift.key: drift.in_ledger for drift in drifts}, as_of, held_of(ledger, as_of))
    return len(counted), drifts
